/** Refusals with their whole promise: the typed code, and nothing changed in any input. */
import { expect } from '@jest/globals';
import { encodeSession } from '../src/index.js';
import type { CryptoErrorCode, Opened, Refused } from '../src/index.js';
import { freezeDeep } from './frozen.js';
import { tryHear } from './two-agents.js';
import type { Side } from './two-agents.js';

/** What `toThrow` and `toEqual` take for a typed error of this code. */
export function withCode(code: CryptoErrorCode): Error {
  return expect.objectContaining({ name: 'CryptoError', code }) as unknown as Error;
}

/** The code of a refusal; an opened message fails the test. */
export function codeOf(result: Opened | Refused): CryptoErrorCode {
  if (result.ok) throw new TypeError('the message was opened');
  return result.error.code;
}

/** The side refuses this message with this code; session, keys and message stay byte for byte. */
export function expectRefused(
  side: Side,
  wire: Uint8Array,
  code: CryptoErrorCode | readonly CryptoErrorCode[],
  nowMs?: number,
): void {
  const before = encodeSession(side.session);
  const changes = freezeDeep([side.session, side.me.keyPair, wire]);
  expect([code].flat()).toContain(codeOf(tryHear(side, wire, nowMs)));
  expect(changes()).toEqual([]);
  expect(Buffer.compare(encodeSession(side.session), before)).toBe(0);
}
