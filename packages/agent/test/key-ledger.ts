/**
 * P7: every place in a session that was ever used for sealing, and every salt. Owns the assertion
 * that none repeats, over all agents and runs of one test.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { parseMessage, toHex } from '@agentmesh/crypto';

/** Fed by {@link TestStore} with every outbox row, and by tests with what `seal` gave. */
export class KeyLedger {
  readonly #places = new Map<string, string>();
  readonly #salts = new Set<string>();

  /** Records one finished message; the same bytes again are a retry, not a new use. */
  record(wire: Uint8Array): void {
    const { sid, ratchetKey, number, salt } = parseMessage(wire);
    const bytes = createHash('sha256').update(wire).digest('hex');
    const place = `${toHex(sid)}/${toHex(ratchetKey)}/${number}`;
    const before = this.#places.get(place);
    if (before === bytes) return;
    assert.ok(before === undefined, `P7: the message key at ${place} is used twice`);
    assert.ok(
      !this.#salts.has(toHex(salt)),
      `P7: a salt is used twice, the second time at ${place}`,
    );
    this.#places.set(place, bytes);
    this.#salts.add(toHex(salt));
  }

  get size(): number {
    return this.#places.size;
  }
}
