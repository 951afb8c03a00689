/**
 * The oracle can fail: stores that break their contract, and what it says of each. One test for
 * each way; more of the code is broken by hand when the simulation itself is changed.
 */
import { describe, expect, test } from '@jest/globals';
import type { HubStore } from '@agentmesh/hub-local';
import type { AgentStore, StoreOperation } from '../../src/store/store.js';
import { FIRST_FAULTS } from './faults.js';
import { run } from './run.js';
import type { Tamper } from './world.js';

/** Seeds until the first that does not hold, and why. */
async function firstViolation(
  tamper: Tamper,
  { calls = false, seeds = 10 } = {},
): Promise<string | null> {
  for (let seed = 1; seed <= seeds; seed++) {
    const { violation } = await run({ seed, maxAgents: 3, calls, tamper, faults: FIRST_FAULTS });
    if (violation !== null) return violation;
  }
  return null;
}

function committing(
  store: AgentStore,
  commit: (operations: readonly StoreOperation[]) => Promise<void>,
): AgentStore {
  return {
    open: () => store.open(),
    get: (key) => store.get(key),
    range: (range) => store.range(range),
    commit,
    close: () => store.close(),
  };
}

/** Reads see what was written, as they must; it is only confirmed too early. */
function hasty(store: AgentStore): AgentStore {
  const unwritten = new Map<string, Uint8Array | null>();
  const note = (operations: readonly StoreOperation[]): void => {
    for (const one of operations) {
      if ('put' in one) unwritten.set(one.put, one.value);
      else unwritten.set(one.delete, null);
    }
  };
  return {
    ...committing(store, async (operations) => {
      note(operations);
      store.commit(operations).catch(() => undefined);
    }),
    get: async (key) => unwritten.get(key) ?? (unwritten.has(key) ? null : store.get(key)),
    range: async (range) => {
      const rows = new Map(
        (await store.range({ ...range, limit: 1_000_000 })).map(({ key, value }) => [key, value]),
      );
      for (const [key, value] of unwritten) {
        if (key < range.from || key >= range.to) continue;
        if (value === null) rows.delete(key);
        else rows.set(key, value);
      }
      const sorted = [...rows].toSorted(([a], [b]) => (a < b ? -1 : 1));
      const ordered = range.reverse === true ? sorted.toReversed() : sorted;
      return ordered.slice(0, range.limit).map(([key, value]) => ({ key, value }));
    },
  };
}

describe('the oracle', () => {
  test('sees an agent store that loses a commit which it confirmed', async () => {
    let commits = 0;
    const agentStore = (store: AgentStore): AgentStore =>
      committing(store, async (operations) => {
        const isMessage = operations.some((one) => 'put' in one && one.put.startsWith('outbox/'));
        if (isMessage) commits += 1;
        if (!isMessage || commits % 5 !== 0) await store.commit(operations);
      });
    expect(await firstViolation({ agentStore })).toMatch(/nobody was told|has not arrived|P7/);
  });

  test('sees an agent store that confirms before it is durable', async () => {
    expect(await firstViolation({ agentStore: hasty })).toMatch(/not durable|P7|nobody was told/);
  });

  test('sees an agent store that keeps a request which is answered', async () => {
    const isRequest = (one: StoreOperation): boolean =>
      'delete' in one && one.delete.startsWith('inbox/');
    const agentStore = (store: AgentStore): AgentStore =>
      committing(store, async (operations) => {
        const isSaid = operations.some((one) => 'put' in one && one.put.startsWith('sent/'));
        await store.commit(operations.filter((one) => !isSaid || !isRequest(one)));
      });
    expect(await firstViolation({ agentStore }, { calls: true })).toMatch(/is answered, and stays/);
  });

  test('sees an agent store that forgets which items of a stream were sent', async () => {
    const agentStore = (store: AgentStore): AgentStore =>
      committing(store, async (operations) => {
        const isKept = (one: StoreOperation): boolean =>
          !('put' in one && one.put.startsWith('produced/'));
        await store.commit(operations.filter(isKept));
      });
    expect(await firstViolation({ agentStore }, { calls: true })).toMatch(/STREAM_BROKEN/);
  });

  test('sees a hub store that confirms what it has not taken', async () => {
    const hubStore = (store: HubStore): HubStore => ({
      ...store,
      commit: async (changes) => {
        const append = changes.append.slice(1);
        const { appended, notified } = await store.commit({ ...changes, append });
        const lost = { status: 'stored', seq: 1_000_000, follows: null } as const;
        return { appended: changes.append.length === 0 ? [] : [lost, ...appended], notified };
      },
    });
    expect(await firstViolation({ hubStore })).toMatch(/confirms .* what it has not stored/);
  });

  test('sees a hub store that loses what it took', async () => {
    const hubStore = (store: HubStore): HubStore => ({
      ...store,
      commit: async (changes) => {
        const { appended, notified } = await store.commit(changes);
        const lost = changes.append.flatMap(({ to: recipient }, at) => {
          const outcome = appended[at];
          const isLost = outcome?.status === 'stored' && outcome.seq % 3 !== 0;
          return isLost ? [{ recipient, seqs: [outcome.seq] }] : [];
        });
        const nothing = { ...changes, append: [], reschedule: [], deadLetter: [] };
        if (lost.length > 0) await store.commit({ ...nothing, acknowledge: lost });
        // Nothing is pushed from memory: what was lost would still arrive once.
        const read = appended.map((outcome) =>
          outcome.status === 'stored' ? { ...outcome, follows: null } : outcome,
        );
        return { appended: read, notified };
      },
    });
    // Agents make up for a loss of every third: two of three are too much.
    const violation = await firstViolation({ hubStore }, { seeds: 40 });
    expect(violation).toMatch(/nobody was told|has not arrived/);
  });
});
