/**
 * What can go wrong, by name, as the command line takes it. Owns the list; what each does is
 * `faults`'.
 */

export const FAULT_NAMES = [
  'kill',
  'pause',
  'cut',
  'freeze',
  'full',
  'clock',
  'rotate',
  'snapshot',
  'restore',
  'close',
  'killHub',
  'pauseHub',
  'fullHub',
  'clockHub',
  'backupHub',
  'snapshotHub',
  'restoreHub',
] as const;

/** One of them. */
export type FaultName = (typeof FAULT_NAMES)[number];
