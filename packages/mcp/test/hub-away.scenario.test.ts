/**
 * Tools while the hub is away: each gives what is there and says that the hub cannot be reached,
 * none says "no messages"; when the hub is back, all goes on.
 */
import { expect, jest, test } from '@jest/globals';
import { McpWorld, twoAgents } from './mcp-world.js';
import type { CodingAgent, Given } from './mcp-world.js';

jest.setTimeout(240_000);

const NOTICE = /The hub at \S+ cannot be reached \(HUB_AWAY\).* What to do: .*agentmesh doctor/;

test('tools say that the hub is away, beside what is there', async () => {
  await using world = await McpWorld.create();
  await twoAgents(world);
  const alice = await world.connect('alice');
  await world.command('bob', 'send', 'alice', 'from before');
  await alice.call('wait_for_message', { wait_seconds: 60 });
  expect(await alice.call('inbox')).toMatchObject({ isError: false, text: 'no messages' });
  await world.command('bob', 'send', 'alice', 'not taken yet');
  await peeked(alice, 1);
  await world.stopHub();
  await connectionIs(alice, 'offline');

  const { value: mail, ...there } = expectNotice(await alice.call('inbox'));
  expect(mail['messages']).toMatchObject([{ from: 'bob' }]);
  expect(there.text).toContain('not taken yet');
  for (const [tool, args] of [
    ['inbox', {}],
    ['inbox', { peek: true }],
    ['wait_for_message', { wait_seconds: 0.3 }],
  ] as const) {
    const { isError, text } = await alice.call(tool, args);
    expect({ tool, isError, text }).toEqual({
      tool,
      isError: true,
      text: expect.stringMatching(/^HUB_AWAY: The hub at \S+ .*not known\. What to do: .*doctor/),
    });
  }
  const known = [{ name: 'bob' }];
  expect(expectNotice(await alice.call('peers')).value).toMatchObject({ peers: known });
  const all = expectNotice(await alice.call('peers', { all: true }));
  expect(all.value).toMatchObject({ peers: known, names: [] });
  expectNotice(await alice.call('whoami'));
  const sent = expectNotice(await alice.call('send', { to: 'bob', text: 'x', wait_seconds: 8 }));
  expect(sent.value).toMatchObject({ state: 'queued' });
  const asked = expectNotice(await alice.call('ask', { to: 'bob', text: 'y?', wait_seconds: 8 }));
  const { call_id: callId, ...call } = asked.value;
  expect(call).toMatchObject({ state: 'open', answer: null });
  expectNotice(await alice.call('call_status', { call_id: callId }));
  const [{ id }] = mail['messages'] as [{ readonly id: string }];
  expectNotice(await alice.call('reply', { id, text: 'seen' }));

  await world.startHub();
  await connectionIs(alice, 'online');
  const bob = await world.connect('bob');
  const texts: string[] = [];
  let question = '';
  while (texts.length < 3) {
    const { value } = await bob.call('wait_for_message', { wait_seconds: 60 });
    for (const one of value['messages'] as {
      id: string;
      prompt: string;
      wants_answer: boolean;
    }[]) {
      texts.push(/⟧\n(.*)\n⟦/.exec(one.prompt)?.[1] ?? '');
      if (one.wants_answer) question = one.id;
    }
  }
  expect(texts.toSorted()).toEqual(['seen', 'x', 'y?']);
  await bob.call('reply', { id: question, text: 'yes' });
  const answer = await alice.call('call_status', { call_id: callId, wait_seconds: 60 });
  expect(answer.value).toMatchObject({ state: 'answered' });
  expect(answer.value).not.toHaveProperty('notice');
});

/** It worked, and says so of the hub to the model and to its client. */
function expectNotice(given: Given): Given {
  expect(given).toMatchObject({
    isError: false,
    text: expect.stringMatching(NOTICE),
    value: { notice: expect.stringMatching(NOTICE) },
  });
  return given;
}

async function connectionIs(agent: CodingAgent, connection: string): Promise<void> {
  while ((await agent.call('whoami')).value['connection'] !== connection);
}

async function peeked(agent: CodingAgent, count: number): Promise<void> {
  for (;;) {
    const { value } = await agent.call('inbox', { peek: true });
    if ((value['messages'] as unknown[]).length === count) return;
  }
}
