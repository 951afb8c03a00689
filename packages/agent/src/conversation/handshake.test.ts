import { describe, expect, test } from '@jest/globals';
import { nextGeneration } from './handshake.js';

describe('the generation of a new session', () => {
  test('is one above the highest seen, and stays at the last one there is', () => {
    expect([0, 1, 0xffff_fffe, 0xffff_ffff].map(nextGeneration)).toEqual([
      1, 2, 0xffff_ffff, 0xffff_ffff,
    ]);
  });
});
