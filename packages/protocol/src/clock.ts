/**
 * The one way in which time enters this project: handed in, never looked up. Owns the type, and the
 * one look at each of the machine's clocks; a program decides at its rim which clock it is.
 */

/** Milliseconds since the epoch. */
export type Clock = () => number;

/** The machine's clock: the default where no other is passed in. */
export const systemClock: Clock = () => Date.now();

/** Milliseconds since the process began, or so: nobody sets this one, and it only rises. */
export const monotonicClock: Clock = () => performance.now();
