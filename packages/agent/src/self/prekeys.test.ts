import { describe, expect, test } from '@jest/globals';
import { keyDigest } from '@agentmesh/crypto';
import {
  agreesWithHub,
  decodePrekeyState,
  encodePrekeyState,
  hasRoomForSigned,
  isRotationDue,
  newPrekeyState,
  remainingAfter,
  skipIds,
  takeIds,
  withOneTime,
  withSigned,
} from './prekeys.js';
import type { PrekeyState } from './prekeys.js';

const DAY_MS = 86_400_000;
const record = new Uint8Array(1_337).fill(1);

function withIds(ids: readonly number[], nowMs = 0): PrekeyState {
  const empty = newPrekeyState(() => new Uint8Array(4));
  const issued = ids.map((id) => ({ id, createdMs: nowMs, onHub: true }));
  return withOneTime(empty, issued, { replacing: false, nowMs }).state;
}

describe('prekeys', () => {
  test('skipped numbers lie ahead, at least one and at most 65,536', () => {
    const state = withIds([1, 2]);
    const none = skipIds(state, () => new Uint8Array(4));
    expect(none).toEqual({ ...state, nextId: state.nextId + 1 });
    const most = skipIds(state, () => new Uint8Array(4).fill(255));
    expect(most.nextId).toBe(state.nextId + 2 ** 16);
  });

  test('numbers rise and begin anywhere from 1 to 2^31', () => {
    const zero = newPrekeyState(() => new Uint8Array(4));
    expect(zero.nextId).toBe(1);
    expect(newPrekeyState(() => new Uint8Array(4).fill(255)).nextId).toBe(2 ** 31 - 1);
    const { state, first } = takeIds(zero, 50);
    expect([first, state.nextId]).toEqual([1, 51]);
  });

  test('the signed one is due at 48 hours; private halves stay for nine days', () => {
    let state = newPrekeyState(() => new Uint8Array(4));
    expect(isRotationDue(state, 0)).toBe(true);
    const dropped: number[] = [];
    for (let id = 1; id <= 12; id++) {
      const createdMs = id * DAY_MS;
      const next = withSigned(
        state,
        { id, createdMs, expiresMs: createdMs + 9 * DAY_MS },
        createdMs,
      );
      state = next.state;
      dropped.push(...next.dropped);
    }
    expect(state.signed.map(({ id }) => id)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(dropped).toEqual([1]);
    expect(isRotationDue(state, 14 * DAY_MS - 1)).toBe(false);
    expect(isRotationDue(state, 14 * DAY_MS)).toBe(true);
  });

  test('none that somebody may use goes for one that comes before its time', () => {
    let state = newPrekeyState(() => new Uint8Array(4));
    const add = (id: number, createdMs: number): readonly number[] => {
      const next = withSigned(
        state,
        { id, createdMs, expiresMs: createdMs + 9 * DAY_MS },
        createdMs,
      );
      state = next.state;
      return next.dropped;
    };
    let id = 0;
    while (hasRoomForSigned(state, id)) expect(add((id += 1), id)).toEqual([]);
    expect(id).toBe(26);
    for (let turn = 1; turn <= 4; turn++) expect(add(id + turn, turn * 2 * DAY_MS)).toEqual([]);
    expect(hasRoomForSigned(state, 11 * DAY_MS)).toBe(true);
  });

  test('agrees with a hub that has handed out the lowest, and with no other', () => {
    const state = withIds([5, 6, 7, 8]);
    const holding = (ids: number[], count = ids.length) => ({
      keyDigest: keyDigest(record, ids),
      oneTimePrekeys: count,
    });
    expect(agreesWithHub(state, record, holding([5, 6, 7, 8]))).toBe(true);
    expect(agreesWithHub(state, record, holding([7, 8]))).toBe(true);
    expect(agreesWithHub(state, record, holding([]))).toBe(true);
    expect(agreesWithHub(state, record, holding([5, 6]))).toBe(false);
    expect(agreesWithHub(state, record, holding([4, 5, 6, 7, 8]))).toBe(false);
    expect(agreesWithHub(state, new Uint8Array(1_337), holding([7, 8]))).toBe(false);
    expect(agreesWithHub(state, record, { keyDigest: null, oneTimePrekeys: 0 })).toBe(false);
    expect(remainingAfter(state, 6)).toBe(2);
  });

  test('replaced ones stay openable until their time is over, then they go', () => {
    const early = withIds([1, 2]);
    const issued = [{ id: 3, createdMs: DAY_MS, onHub: true }];
    const replaced = withOneTime(early, issued, { replacing: true, nowMs: DAY_MS });
    expect(replaced.dropped).toEqual([]);
    expect(replaced.state.oneTime.map(({ id, onHub }) => [id, onHub])).toEqual([
      [1, false],
      [2, false],
      [3, true],
    ]);
    const late = withOneTime(replaced.state, [], { replacing: false, nowMs: 31 * DAY_MS + 1 });
    expect(late.dropped).toEqual([1, 2]);
  });

  test('are read back as they were written', () => {
    const state = withSigned(withIds([9, 10]), { id: 4, createdMs: 1, expiresMs: 2 }, 0).state;
    expect(decodePrekeyState(encodePrekeyState(state))).toEqual(state);
    expect(() => decodePrekeyState(new Uint8Array([9]))).toThrow(/did not write/);
  });
});
