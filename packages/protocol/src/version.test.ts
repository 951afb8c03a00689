import { describe, expect, test } from '@jest/globals';
import { negotiateVersion, PROTOCOL_VERSION, SUPPORTED_VERSIONS } from './version.js';

describe('negotiateVersion', () => {
  test('takes version 2 wherever it stands in the offer', () => {
    expect([[2], [1, 2], [2, 3, 255]].map(negotiateVersion)).toEqual([2, 2, 2]);
  });

  test('finds nothing in an offer of other versions', () => {
    expect([[], [1], [3, 4]].map(negotiateVersion)).toEqual([null, null, null]);
  });

  test('speaks version 2', () => {
    expect(SUPPORTED_VERSIONS).toContain(PROTOCOL_VERSION);
  });
});
