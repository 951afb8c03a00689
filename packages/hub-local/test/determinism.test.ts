import { expect, test } from '@jest/globals';
import type { ClientFrame, Decoded } from '@agentmesh/protocol';
import { parseClientFrame } from '@agentmesh/protocol';
import { alice, bench, bob, carol, seededRandom } from './core-harness.js';
import type { CoreClient, FakeLink } from './core-harness.js';

const BAD: Decoded<ClientFrame> = parseClientFrame('{"type":"send"}');

/** A life with everything in it, recorded as the frames and closings of all links. */
async function life(seed: number): Promise<unknown[]> {
  const choose = seededRandom(seed);
  const { core, host, join } = await bench({ limits: { deliveryAttempts: 2, queueMessages: 20 } });
  const links: FakeLink[] = [];
  const clients: CoreClient[] = [];
  const meet = async (keyPair: typeof alice, name: string) => {
    const client = await join(keyPair, name);
    links.push(client.link);
    clients.push(client);
  };
  await meet(alice, 'alice');
  await meet(bob, 'bob');
  for (let step = 0; step < 600; step++) {
    const [dice = 0, which = 0, value = 0] = choose(3);
    const client = clients[which % clients.length];
    if (client === undefined) continue;
    if (dice < 90) client.sendTo(which % 2 === 0 ? bob : alice, step % 90);
    else if (dice < 120) client.send({ type: 'ack', seqs: [1 + (value % 30)] });
    else if (dice < 140) {
      client.send({ type: 'nack', seq: 1 + (value % 30), delay: value, reason: 'STORAGE' });
    } else if (dice < 150) client.send({ type: 'list' });
    else if (dice < 160) client.send({ type: 'credit', messages: value, bytes: value });
    else if (dice < 165) client.connection.receive(BAD, '');
    else if (dice < 175) client.connection.closed();
    else if (dice < 190) await meet([alice, bob, carol][value % 3] ?? alice, `${'abc'[value % 3]}`);
    else if (dice < 200)
      await meet(value % 2 === 0 ? alice : bob, value % 2 === 0 ? 'alice' : 'bob');
    else if (dice < 225) {
      host.nowMs += value * 20;
      core.tick();
    } else await host.settle();
  }
  await core.stop();
  await host.settle();
  return links.map((link) => [link.frames, link.closedWith]);
}

test('the same inputs give the same outputs, to the byte', async () => {
  for (const seed of [1, 2, 3]) {
    const first = await life(seed);
    expect(await life(seed)).toEqual(first);
    expect(first.flat(2).length).toBeGreaterThan(100);
  }
  expect(await life(1)).not.toEqual(await life(2));
  expect(BAD.ok).toBe(false);
});
