import { expect, test } from '@jest/globals';
import { Agent } from '../src/index.js';

test('T-H6 opk-double-served: of two first messages at the same moment one gets the prekey', async () => {
  const agents = await Promise.all(['bob', 'alice', 'carol'].map((name) => Agent.create(name)));
  const [bob, alice, carol] = agents as [Agent, Agent, Agent];
  // One bundle for both, as a hub would serve it that hands out a one-time prekey twice.
  const bundle = await bob.publicBundle();
  expect(bundle.oneTime).toBeDefined();
  const envelopes = [];
  for (const sender of [alice, carol]) {
    await sender.connectWithBundle(bundle);
    await bob.connectWithBundle(await sender.publicBundle());
    envelopes.push(await sender.seal('bob', `from ${sender.id}`));
  }
  const opened = await Promise.allSettled(envelopes.map(async (envelope) => bob.open(envelope)));
  expect(opened.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  const refused = opened.find((result) => result.status === 'rejected');
  expect(refused?.reason).toMatchObject({ code: 'UNKNOWN_PREKEY' });
  await Promise.all(agents.map(async (agent) => agent.close()));
});
