/**
 * What an envelope costs NATS, counted: one operation puts it into its queue, and one takes it out.
 */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import { NatsLink } from '../../src/jetstream/nats-link.js';
import { hasNats, NatsNode } from './nats-process.js';
import { AID, changesOf, NOW_MS, storeOver } from './one-queue.js';

const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const end of endings.splice(0).toReversed()) await end();
});

const ASKED = ['publish', 'remove', 'at', 'last', 'next', 'scan', 'counts'] as const;

/** How often each operation is asked of NATS from now on. */
function counted(): () => Partial<Record<(typeof ASKED)[number], number>> {
  const spies = ASKED.map((name) => [name, jest.spyOn(NatsLink.prototype, name)] as const);
  return () =>
    Object.fromEntries(
      spies.flatMap(([name, { mock }]) =>
        mock.calls.length > 0 ? [[name, mock.calls.length]] : [],
      ),
    );
}

if (hasNats()) {
  describe('an envelope over NATS', () => {
    test('costs its append and its removal, and nothing else', async () => {
      await ready();
      const node = await NatsNode.single();
      endings.push(() => node.dispose());
      const store = await storeOver(node.url, endings);
      // The first one makes the hub look at the queue.
      await store.commit(changesOf([100]));
      const asked = counted();
      const ids = Array.from({ length: 20 }, (_, n) => n + 1);
      const { appended } = await store.commit(changesOf(ids));
      expect(asked()).toEqual({ publish: 20 });
      const seqs = appended.flatMap((one) => (one.status === 'stored' ? [one.seq] : []));
      const nothing = { append: [], reschedule: [], deadLetter: [] };
      const acknowledge = [{ recipient: AID, seqs }];
      await store.commit({ ...changesOf([]), ...nothing, acknowledge });
      expect(asked()).toEqual({ publish: 20, remove: 20 });
      expect(await store.queued(AID)).toBe(1);
    });

    test('that is sent again is a duplicate while it waits, at whichever hub', async () => {
      await ready();
      const node = await NatsNode.single();
      endings.push(() => node.dispose());
      const [one, other] = [await storeOver(node.url, endings), await storeOver(node.url, endings)];
      await one.commit(changesOf([1]));
      const again = (await other.commit(changesOf([1]))).appended;
      expect(again).toMatchObject([{ status: 'duplicate' }]);
      const changed = changesOf([1]).append.map((envelope) => ({
        ...envelope,
        blob: new Uint8Array(9).fill(9),
      }));
      const conflict = await other.commit({ ...changesOf([]), append: changed });
      expect(conflict.appended).toEqual([{ status: 'conflict' }]);
    });

    test('that has left its queue is stored again at another hub, and known at its own', async () => {
      await ready();
      const node = await NatsNode.single();
      endings.push(() => node.dispose());
      const [one, other] = [await storeOver(node.url, endings), await storeOver(node.url, endings)];
      const [stored] = (await one.commit(changesOf([1]))).appended;
      const seqs = stored?.status === 'stored' ? [stored.seq] : [];
      await one.commit({ ...changesOf([]), acknowledge: [{ recipient: AID, seqs }] });
      expect((await one.commit(changesOf([1]))).appended).toMatchObject([{ status: 'duplicate' }]);
      expect((await other.commit(changesOf([1]))).appended).toMatchObject([{ status: 'stored' }]);
      const query = { recipient: AID, after: 0, messages: 9, bytes: 9_999, nowMs: NOW_MS };
      expect((await other.read(query)).entries).toHaveLength(1);
    });
  });
} else {
  describe('an envelope over NATS', () => {
    test.skip('needs nats-server, which is not installed and could not be', () => {
      expect(hasNats()).toBe(true);
    });
  });
}
