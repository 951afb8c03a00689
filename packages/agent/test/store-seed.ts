/** Repetitions of the store's random tests: how many, and a seed to run a failure again. */
import { createHash } from 'node:crypto';

/** Randomness of one test, the same for the same seed. */
export interface Chance {
  /** For the title: the count and the seed. */
  readonly title: string;
  readonly times: number;
  /** An integer from 0 to `end` - 1. */
  below(end: number): number;
}

/** `times` unless the environment variable says otherwise; FC_SEED chooses the seed. */
export function chance(times: number, variable: string): Chance {
  const given = process.env['FC_SEED'];
  const seed = given === undefined ? Math.floor(Math.random() * 0x7fff_ffff) : Number(given);
  const count = Number(process.env[variable] ?? times);
  let drawn = 0;
  return {
    title: `${count} times, ${variable} for more, FC_SEED=${seed}`,
    times: count,
    below(end) {
      const digest = createHash('sha256').update(`${variable}/${seed}/${drawn++}`).digest();
      return Math.floor((digest.readUInt32BE(0) / 2 ** 32) * end);
    },
  };
}
