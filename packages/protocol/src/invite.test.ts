import { systemRandom } from '@agentmesh/crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeInvite, encodeInvite } from './invite.js';
import type { Invite } from './invite.js';

// No `ready()` here: a line is read before anything is loaded.
const sample = (): Invite => ({
  hubs: ['tcps://hub.example:7700'],
  hubKey: systemRandom(32),
  aid: systemRandom(32),
  name: 'bob',
  expiresMs: 1_800_000_000_000,
  secret: systemRandom(16),
  token: null,
});

describe('an invite', () => {
  test('is one line of about 180 characters, and reads back whole', () => {
    const invite = sample();
    const line = encodeInvite(invite);
    expect(line).toMatch(/^agentmesh:[A-Za-z0-9_-]+$/);
    expect(line.length).toBeLessThan(190);
    expect(decodeInvite(line)).toEqual(invite);
    expect(decodeInvite(`  ${line}\n`)).toEqual(invite);
  });

  test('carries several hubs and a token', () => {
    const hubs = ['tcps://a.example:7700', 'wss://b.example:443', 'tcp://127.0.0.1:7700'];
    const invite = { ...sample(), hubs, token: 'join-me' };
    expect(decodeInvite(encodeInvite(invite))).toEqual(invite);
  });

  test('cut anywhere, with a byte more, of another version or with a bad part, is none', () => {
    const line = encodeInvite(sample());
    for (let end = 0; end < line.length; end += 1)
      expect(decodeInvite(line.slice(0, end))).toBeNull();
    expect(decodeInvite(`${line}AAAA`)).toBeNull();
    const bad: Partial<Invite>[] = [
      { hubs: ['tcps://hub example'] },
      { hubs: Array.from({ length: 9 }, () => 'tcps://h:1') },
      { hubs: ['tcps://\u202eh:1'] },
      { name: 'Bob' },
      { token: 'with space' },
      { expiresMs: 2 ** 60 },
    ];
    for (const part of bad) expect(decodeInvite(encodeInvite({ ...sample(), ...part }))).toBeNull();
  });

  test('whatever is pasted gives an invite or null, never an error', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.base64String().map((text) => `agentmesh:${text}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const invite = decodeInvite(text);
        expect(invite === null || encodeInvite(invite) === text.trim()).toBe(true);
      }),
      { numRuns: 500 },
    );
    for (const odd of [null, undefined, 7, {}, []]) expect(decodeInvite(odd)).toBeNull();
  });
});
