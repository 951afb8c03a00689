/**
 * NATS that remembers the id of a message which it has not kept: as when a leader is lost after it
 * has noted the id and before the others have the message. It answers `duplicate` from then on.
 */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import type { JetStreamHubStore } from '../../src/jetstream.js';
import { JetStreamStoreError } from '../../src/jetstream/jetstream-error.js';
import { NatsLink } from '../../src/jetstream/nats-link.js';
import { hasNats, NatsNode } from './nats-process.js';
import { AID, changesOf, NOW_MS, storeOver } from './one-queue.js';

const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const end of endings.splice(0).toReversed()) await end();
});

async function idsIn(store: JetStreamHubStore): Promise<(number | undefined)[]> {
  const query = { recipient: AID, after: 0, messages: 100, bytes: 100_000, nowMs: NOW_MS };
  const { entries } = await store.read(query);
  return entries.map((entry) => (entry.due ? entry.id[0] : undefined));
}

/** NATS loses the next envelopes, never answers, and remembers their ids. */
function loseNext(count: number): void {
  const publish = Reflect.get(NatsLink.prototype, 'publish');
  const spy = jest.spyOn(NatsLink.prototype, 'publish');
  let left = count;
  spy.mockImplementation(async function lossy(this: NatsLink, subject, data, options) {
    const ack = await publish.call(this, subject, data, options);
    if (options?.note === undefined || left === 0) return ack;
    left -= 1;
    await this.remove('AGENTMESH_QUEUE_0', ack?.seq ?? 0);
    throw new JetStreamStoreError('STORE_UNAVAILABLE', { detail: 'timeout' });
  });
}

if (hasNats()) {
  describe('NATS that remembers an id and has lost the message', () => {
    test.each([1, 2, 3])('%i times: the envelope is stored all the same, once', async (times) => {
      await ready();
      const node = await NatsNode.single();
      endings.push(() => node.dispose());
      const store = await storeOver(node.url, endings);
      loseNext(times);
      for (let lost = 0; lost < times; lost++) {
        await expect(store.commit(changesOf([1]))).rejects.toMatchObject({ retryable: true });
      }
      const { appended } = await store.commit(changesOf([1, 2]));
      expect(appended.map(({ status }) => status)).toEqual(['stored', 'stored']);
      expect((await store.commit(changesOf([1, 2]))).appended).toMatchObject([
        { status: 'duplicate' },
        { status: 'duplicate' },
      ]);
      expect(new Set(await idsIn(store))).toEqual(new Set([1, 2]));
      expect(await store.queued(AID)).toBe(2);
    });
  });
} else {
  describe('NATS that remembers an id and has lost the message', () => {
    test.skip('needs nats-server, which is not installed and could not be', () => {
      expect(hasNats()).toBe(true);
    });
  });
}
