/**
 * Equality for properties that are checked many thousand times. Owns one check: jest is asked only
 * when something differs, since each call of `expect` makes an error with its stack.
 */
import { isDeepStrictEqual } from 'node:util';
import { expect } from '@jest/globals';

/** A failure shows both values. */
export function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect({ actual, expected }).toBeNull();
}
