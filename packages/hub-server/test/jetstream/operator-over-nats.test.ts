/**
 * The operator's socket of a hub whose store is in NATS: what it shows, and what it says is not
 * possible there.
 */
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { addressOf, ready } from '@agentmesh/protocol';
import { Command } from '../hub-command.js';
import { publish, register } from '../operated-hub.js';
import { OperatorClient } from '../operator-client.js';
import { inFolder } from '../store-samples.js';
import { join as joinHub, newAgent, until } from '../test-clients.js';
import { hasNats, NatsNode } from './nats-process.js';

jest.setTimeout(120_000);
beforeAll(() => ready());

const WAIT_MS = 20_000;
const suite = hasNats() ? describe : describe.skip;

suite('an operator of a hub over NATS', () => {
  test('sees agents and queues, bans, purges; copies and freed names are not for this store', () =>
    inFolder(async (folder) => {
      const nats = await NatsNode.single();
      const store = ['--store', `nats://127.0.0.1:${nats.port}`];
      const hub = await Command.start(['--data', folder, ...store]);
      const operator = await OperatorClient.connect(folder);
      const [alice, bob] = [newAgent('alice'), newAgent('bob')];
      const there = await joinHub(hub.port, bob);
      await publish(there, bob);
      await there.close();
      const notices: string[] = [];
      const sender = await joinHub(hub.port, alice, {
        notice: ({ what }) => void notices.push(what),
      });
      await publish(sender, alice);
      for (const n of [1, 2, 3]) {
        const id = new Uint8Array(16).fill(n);
        await sender.send({ id, to: bob.aid, ttlSeconds: 60, blob: new Uint8Array(100) });
      }
      await register(hub.port, newAgent('carol'));
      expect(await operator.call('agents')).toMatchObject({
        agents: [
          { name: 'alice', listed: true, connected: true, queued: 0 },
          { name: 'bob', listed: true, connected: false, queued: 3 },
          { name: 'carol', listed: false, connected: false, queued: 0 },
        ],
      });
      expect(await sender.list({})).toMatchObject({ names: ['alice', 'bob'] });
      expect(await operator.call('queues')).toMatchObject({
        queues: [{ name: 'bob', address: addressOf(bob.aid), messages: 3, bytes: null }],
        messages: 3,
      });
      expect(await operator.call('show', { agent: 'bob' })).toMatchObject({
        state: 'registered',
        queued: 3,
        senders: [{ name: 'alice', messages: 3, bytes: 300 }],
      });
      for (const method of ['free', 'backup']) {
        const params = method === 'free' ? { name: 'bob' } : { file: `${folder}/copy` };
        expect(await operator.refusal(method, params)).toBe('NOT_IN_NATS');
      }
      expect(await operator.call('purge', { agent: 'bob' })).toMatchObject({ purged: 3 });
      await until(() => notices.length === 3, WAIT_MS);
      expect(await operator.call('ban', { agent: 'bob' })).toMatchObject({ added: true });
      await expect(joinHub(hub.port, bob)).rejects.toMatchObject({ code: 'BLOCKED' });
      operator.end();
      await sender.close();
      hub.signal('SIGTERM');
      expect(await hub.exit()).toBe(0);
      await nats.dispose();
    }));
});
