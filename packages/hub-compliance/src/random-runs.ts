/**
 * How long a random test runs, and from which seed: the environment decides, else chance.
 * Owns reading `FC_SEED` and `FC_RUNS`; its users put the seed into the test's title.
 */
import { systemRandom } from '@agentmesh/protocol';

/** Settings for fast-check. */
export interface RandomRuns {
  readonly seed: number;
  readonly numRuns: number;
}

/** The same seed for all tests of one process, so that one number repeats them. */
export function randomRuns(usualRuns: number): RandomRuns {
  const { FC_SEED, FC_RUNS } = process.env;
  const seed = FC_SEED === undefined ? chance() : Number(FC_SEED);
  return { seed, numRuns: FC_RUNS === undefined ? usualRuns : Number(FC_RUNS) };
}

function chance(): number {
  return new DataView(systemRandom(4).buffer).getInt32(0);
}
