/**
 * `agentmesh-hub --store nats://…` as a process: two as one hub, and what they say when NATS is
 * away, refuses them or is not made for it.
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import { Command, expectRefusal, runHub } from '../hub-command.js';
import { inFolder } from '../store-samples.js';
import { join as joinHub, newAgent, until } from '../test-clients.js';
import { hasNats, NatsNode } from './nats-process.js';

jest.setTimeout(60_000);
beforeAll(() => ready());

let nats: NatsNode | null = null;
const start = async (extra = '', isJetStream = true): Promise<NatsNode> => {
  nats = await NatsNode.single({ extra, isJetStream });
  return nats;
};

const suite = hasNats() ? describe : describe.skip;
suite('agentmesh-hub --store nats://', () => {
  afterEach(async () => {
    await nats?.dispose();
    nats = null;
  });

  test('two of them are one hub, with one key that NATS does not hold, and print no secret', () =>
    inFolder(async (folder) => {
      const { port } = await start('authorization { user: hub, password: "p@ss-word" }');
      const env = { AGENTMESH_STORE: `nats://hub:p%40ss-word@127.0.0.1:${port}` };
      const first = await Command.start(['--data', join(folder, 'a')], env);
      const without = runHub(['--port', '0', '--data', join(folder, 'b')], env);
      expect(without.stderr).toMatch(/^agentmesh-hub: All hubs over one store have one hub key/);
      copyFileSync(join(folder, 'a', 'hub.key'), join(folder, 'b', 'hub.key'));
      const second = await Command.start(['--data', join(folder, 'b')], env);
      expect(second.said('listening')?.['hubKey']).toBe(first.said('listening')?.['hubKey']);
      const delivered: number[] = [];
      const bob = newAgent('bob');
      const receiver = await joinHub(second.port, bob, {
        deliver: ({ seq }) => delivered.push(seq),
      });
      const sender = await joinHub(first.port, newAgent('alice'));
      const blob = new Uint8Array(100);
      await sender.send({ id: new Uint8Array(16), to: bob.aid, ttlSeconds: 60, blob });
      await until(() => delivered.length === 1);
      const gone: unknown[] = [];
      await receiver.close();
      await joinHub(first.port, bob, { closed: (error) => gone.push(error?.code) });
      await joinHub(second.port, bob);
      await until(() => gone.length === 1);
      expect(gone).toEqual(['DISPLACED']);
      for (const hub of [first, second]) {
        hub.signal('SIGTERM');
        expect(await hub.exit()).toBe(0);
        const everything = [...hub.text, hub.stderr].join('\n');
        expect(everything).not.toMatch(/p@ss-word|p%40ss-word/);
        const key = readFileSync(join(folder, 'a', 'hub.key'), 'utf8')
          .trim()
          .split(' ')
          .at(-1);
        expect(everything).not.toContain(key);
      }
    }));

  test('says what to do when NATS is away, refuses the hub, or has no JetStream', () =>
    inFolder(async (folder) => {
      const refusalAt = (address: string, ...more: string[]) =>
        runHub(['--port', '0', '--data', folder, '--store', address, ...more]);
      const away = 'NATS is out of reach: start it';
      expectRefusal(refusalAt('nats://127.0.0.1:1,nats://127.0.0.1:2'), 1, away);
      const { port } = await start('authorization { user: hub, password: secret }');
      const wrong = refusalAt(`nats://hub:guess@127.0.0.1:${port}`);
      expectRefusal(wrong, 1, 'NATS refuses these credentials');
      expect(wrong.stderr).not.toContain('guess');
      const creds = join(folder, 'hub.creds');
      writeFileSync(creds, 'nothing of use');
      const bad = refusalAt(`nats://127.0.0.1:${port}`, '--nats-creds', creds);
      expectRefusal(bad, 1, 'NATS refuses these credentials');
      await nats?.dispose();
      const { url } = await start('', false);
      expectRefusal(refusalAt(url), 1, 'JetStream is not enabled');
    }));
});
