/**
 * Milliseconds that only rise, for deadlines and measurements. Owns this package's one look at the
 * machine's steady clock; whatever needs it takes it as an argument.
 */

/** Independent of the wall clock; its zero means nothing. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1_000_000;
}
