/**
 * Named places at which a test may kill the process: the hub's kill points H1 to H8, and one of the
 * migration.
 * Owns the names only. In production nothing is handed in and each place costs one call of an
 * empty function.
 */

/**
 * `frame-read`: a change was accepted, nothing is written (H1). `committed`: durable, not answered
 * (H2). `pushing`: part of a delivery left (H3). `acknowledging`: before the delete is committed
 * (H4). `sweeping`: inside the sweep's transaction (H5). `prekey-taken`: handed out durably, not
 * answered (H6). `checkpointing`: the log is being moved into the database (H7). `recovering`: the
 * file is open, nothing was served (H8). `migrating`: an older file was brought up to date, that is
 * not committed.
 */
export type FailpointName =
  | 'frame-read'
  | 'committed'
  | 'pushing'
  | 'acknowledging'
  | 'sweeping'
  | 'prekey-taken'
  | 'checkpointing'
  | 'recovering'
  | 'migrating';

/** Called at each named place; a test may not return from it. */
export type Failpoint = (name: FailpointName) => void;

/** What production uses. */
export const noFailpoint: Failpoint = () => undefined;
