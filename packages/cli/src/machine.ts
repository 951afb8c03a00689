/**
 * What this package takes from the machine besides files and sockets: its clock. Owns the one look
 * at it; whoever waits is handed a clock.
 */

/** Milliseconds since the epoch. */
export type Clock = () => number;

/** The machine's clock: the default where no other is passed in. */
export const systemClock: Clock = () => Date.now();
