/**
 * The one way in which time enters this project: handed in, never looked up. Owns the type only;
 * each program decides at its rim which clock it is.
 */

/** Milliseconds since the epoch. */
export type Clock = () => number;
