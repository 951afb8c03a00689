import { expect, test } from '@jest/globals';
import { LocalHub } from '@agentmesh/hub-local';
import { Agent } from '../src/index.js';

test('two agents talk over a local hub in four lines', async () => {
  const hub = new LocalHub();
  const alice = await Agent.create('alice', { hub });
  const bob = await Agent.create('bob', { hub });
  const heard = new Promise<string>((resolve) =>
    bob.onMessage((m) => resolve(`${m.sender}: ${m.text}`)),
  );
  await alice.send('bob', 'hello');
  expect(await heard).toBe('alice: hello');
  await alice.close();
  await bob.close();
  await hub.close();
});
