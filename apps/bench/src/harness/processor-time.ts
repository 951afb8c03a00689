/**
 * Time that this process has had a processor, all its threads together. For work that waits for
 * nothing it is the fair clock on a machine that others use too. Owns the reading.
 */
import process from 'node:process';

import { collectGarbage } from './collect-garbage.js';

/**
 * Microseconds of processor time per repetition; a step that answers later is waited for. Begins
 * with a collection: nobody pays for what those before have left behind.
 */
export async function processorMicros(
  repetitions: number,
  step: (number: number) => unknown,
): Promise<number> {
  collectGarbage();
  const before = process.cpuUsage();
  for (let number = 0; number < repetitions; number++) {
    const result = step(number);
    // A needless turn of the loop is not part of the work of those who answer at once.
    if (result instanceof Promise) await result;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / repetitions;
}
