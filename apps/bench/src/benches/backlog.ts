/**
 * A queue with very many stored envelopes: what appending costs then, and how long the first
 * delivery takes. Our store alone, through its public interface, with as many envelopes in a commit
 * as a busy hub has.
 */
import { randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { SqliteHubStore } from '@agentmesh/hub-server';

import { confirm } from '../harness/bench-error.js';
import { OURS } from '../harness/bench.js';
import type { Bench, Case, Contender, Entrant, Scale } from '../harness/bench.js';
import { SCRATCH } from '../harness/machine.js';
import { ourVersion } from './our-version.js';

const BATCH = 256;
const BYTES = 256;
export const APPEND = { name: 'append', unit: 'messages/s', better: 'higher' } as const;
export const FIRST = { name: 'first delivery', unit: 'ms', better: 'lower' } as const;
const NOW_MS = 1_800_000_000_000;
const DAY_MS = 86_400_000;
const MANY = Number.MAX_SAFE_INTEGER;
const QUOTA = {
  messages: MANY,
  bytes: MANY,
  senderMessages: MANY,
  senderBytes: MANY,
  retiredMs: DAY_MS,
};

export const backlogBench: Bench = {
  name: 'backlog',
  title: 'A long queue in the store',
  cases: (scale) => [backlogCase(scale)],
};

function backlogCase({ quick }: Scale): Case {
  const waiting = quick ? 20_000 : 1_000_000;
  const measured = quick ? 20 : 100;
  const entrant = (id: string, length: number): Entrant => ({
    id,
    label: `${length.toLocaleString('en')} envelopes waiting`,
    open: () => openQueue(length, measured),
  });
  return {
    id: 'append',
    title: `appending ${BYTES} B, ${BATCH} in a commit`,
    measures: [APPEND, FIRST],
    entrants: [entrant(OURS, waiting), entrant('empty', 0)],
    targets: [{ measure: APPEND.name, against: 'empty', atLeast: 0.8 }],
  };
}

/** One store with one queue of a length; each round appends more and acknowledges them again. */
export async function openQueue(length: number, batches: number): Promise<Contender> {
  const queue = await LongQueue.create();
  while (queue.length < length) await queue.append();
  return {
    version: ourVersion(),
    durability: 'on the disk (fsync)',
    async check() {
      confirm((await queue.count()) === queue.length, 'all envelopes are there');
    },
    async round() {
      const startMs = performance.now();
      for (let batch = 0; batch < batches; batch++) await queue.append();
      const seconds = (performance.now() - startMs) / 1000;
      const first = await queue.firstDelivery();
      await queue.dropNewest(batches * BATCH);
      return { [APPEND.name]: (batches * BATCH) / seconds, [FIRST.name]: first };
    },
    close: () => queue.close(),
  };
}

class LongQueue {
  readonly #folder: string;
  readonly #store: SqliteHubStore;
  readonly #from = randomFillSync(new Uint8Array(32));
  readonly #to = randomFillSync(new Uint8Array(32));
  readonly #seqs: number[] = [];

  private constructor(folder: string, store: SqliteHubStore) {
    this.#folder = folder;
    this.#store = store;
  }

  static async create(): Promise<LongQueue> {
    const folder = mkdtempSync(join(SCRATCH, 'agentmesh-queue-'));
    const queue = new LongQueue(folder, await SqliteHubStore.open({ folder }));
    const claim = { opening: null, mayRegister: true, nowMs: NOW_MS, retiredMs: DAY_MS };
    await queue.#store.claim({ name: 'from', aid: queue.#from, ...claim });
    await queue.#store.claim({ name: 'to', aid: queue.#to, ...claim });
    return queue;
  }

  get length(): number {
    return this.#seqs.length;
  }

  count(): Promise<number> {
    return this.#store.queued(this.#to);
  }

  async append(): Promise<void> {
    const append = Array.from({ length: BATCH }, () => ({
      id: randomFillSync(new Uint8Array(16)),
      from: this.#from,
      to: this.#to,
      tsMs: NOW_MS,
      expiresMs: NOW_MS + 7 * DAY_MS,
      rememberUntilMs: NOW_MS + 8 * DAY_MS,
      blob: new Uint8Array(BYTES),
    }));
    const { appended } = await this.#commit({ append });
    for (const outcome of appended) {
      confirm(outcome.status === 'stored', 'an envelope is stored');
      this.#seqs.push(outcome.seq);
    }
  }

  async firstDelivery(): Promise<number> {
    const startMs = performance.now();
    const query = { recipient: this.#to, after: 0, messages: 1, bytes: MANY, nowMs: NOW_MS };
    const { entries } = await this.#store.read(query);
    confirm(entries[0]?.due === true && entries[0].seq === this.#seqs[0], 'the oldest comes first');
    return performance.now() - startMs;
  }

  async dropNewest(count: number): Promise<void> {
    const seqs = this.#seqs.splice(-count);
    await this.#commit({ acknowledge: [{ recipient: this.#to, seqs }] });
  }

  async close(): Promise<void> {
    await this.#store.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #commit(changes: Partial<Parameters<SqliteHubStore['commit']>[0]>) {
    const none = { acknowledge: [], reschedule: [], deadLetter: [], append: [] };
    return this.#store.commit({ nowMs: NOW_MS, quota: QUOTA, ...none, ...changes });
  }
}
