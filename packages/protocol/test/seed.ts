/**
 * How property tests are repeated: FC_SEED and FC_RUNS choose seed and size, else the seed is
 * random. Titles carry both, so that a failure in a log can be run again.
 */
import fc from 'fast-check';

const fromEnvironment = Number(process.env['FC_SEED']);
const seed =
  Number.isInteger(fromEnvironment) && process.env['FC_SEED'] !== undefined
    ? fromEnvironment
    : Math.floor(Math.random() * 0x7fff_ffff);

export interface Repeat {
  readonly title: string;
  readonly parameters: { readonly seed: number; readonly numRuns: number };
}

/** Parameters for fc.assert, and the same as text for the title. */
export function repeat(runs: number): Repeat {
  const numRuns = Number(process.env['FC_RUNS'] ?? runs);
  return { title: `${numRuns} runs, FC_SEED=${seed}`, parameters: { seed, numRuns } };
}

/** A random byte string of one of these lengths. */
export function bytesOfLength(minLength: number, maxLength = minLength) {
  return fc.uint8Array({ minLength, maxLength });
}
