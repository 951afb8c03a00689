/**
 * Whoever decides about a message hears of it only when that is committed: a kill in that moment
 * never brings a message again that somebody was told is done with.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { Agent, MemoryStore } from '@agentmesh/agent';
import type { StoreOperation } from '@agentmesh/agent';
import { LocalHub } from '@agentmesh/hub-local';
import { ControlClient } from '../src/control/client.js';
import { serveControl } from '../src/index.js';
import { until } from './command-world.js';

jest.setTimeout(120_000);

/** Commits when the test lets it. */
class GatedStore extends MemoryStore {
  /** Which commits wait. */
  holds: ((operations: readonly StoreOperation[]) => boolean) | null = null;
  readonly #gate = Promise.withResolvers<void>();
  held = 0;

  override async commit(operations: readonly StoreOperation[]): Promise<void> {
    if (this.holds?.(operations) === true) {
      this.held += 1;
      await this.#gate.promise;
    }
    await super.commit(operations);
  }

  letGo(): void {
    this.holds = null;
    this.#gate.resolve();
  }
}

/** Alice, who is held here on such a store and has one message, taken over her socket. */
async function taken() {
  const folder = mkdtempSync(join(tmpdir(), 'am-'));
  const store = new GatedStore();
  const agent = await Agent.create('alice', { hub: new LocalHub(), store, logLevel: 'silent' });
  const path = join(folder, 'alice.sock');
  const server = await serveControl(agent, { path });
  const client = await ControlClient.connect(path);
  if (client === null) throw new TypeError('nobody listens');
  await agent.send('alice', 'note');
  const { messages } = await client.call('inbox', { waitMs: 60_000 });
  return {
    agent,
    client,
    store,
    id: messages[0]?.id ?? '',
    async [Symbol.asyncDispose]() {
      store.letGo();
      client.close();
      await server.close();
      await agent.close();
      rmSync(folder, { recursive: true });
    },
  };
}

const isOfInbox = (operation: StoreOperation): boolean =>
  ('delete' in operation ? operation.delete : operation.put).startsWith('inbox/');

describe('a decision about a message', () => {
  test.each(['ack', 'refuse', 'fail'] as const)(
    '%s is answered once it is committed, and not before',
    async (method) => {
      await using alice = await taken();
      const { client, store, id } = alice;
      store.holds = (operations) => operations.some(isOfInbox);
      let isAnswered = false;
      const more = method === 'ack' ? {} : { reason: 'no' };
      const decided = client.call(method, { id, ...more });
      void decided.finally(() => (isAnswered = true)).catch(() => undefined);
      await until(() => store.held > 0);
      // Whoever asks in the meantime is answered: this one would have been, too.
      await client.call('status', {});
      expect(isAnswered).toBe(false);
      const left = await store.range({ from: 'inbox/', to: 'inbox0', limit: 10 });
      expect(left.length).toBeGreaterThan(0);
      store.letGo();
      await decided;
      if (method !== 'fail') {
        expect(await store.range({ from: 'inbox/', to: 'inbox0', limit: 10 })).toEqual([]);
      }
    },
  );

  test('is not answered as done by a store that fails', async () => {
    await using alice = await taken();
    const { client, store, id } = alice;
    store.holds = () => {
      throw new TypeError('no disk');
    };
    await expect(client.call('ack', { id })).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});
