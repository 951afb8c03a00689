/**
 * Coding agents that talk through MCP: real clients, real servers as processes, one real hub.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { ERAS, McpWorld, twoAgents } from './mcp-world.js';

jest.setTimeout(240_000);

interface Taken {
  readonly id: string;
  readonly from: string;
  readonly prompt: string;
  readonly wants_answer: boolean;
}

describe.each(ERAS)('two coding agents (%s)', (era) => {
  test('talk over one hub; the one that is asked was asleep', async () => {
    await using world = await McpWorld.create();
    await twoAgents(world);
    const alice = await world.connect('alice', { era });
    const { tools } = await alice.client.listTools();
    expect(tools.map(({ name }) => name).toSorted()).toEqual([
      'accept_contact',
      'ack',
      'ask',
      'call_status',
      'contacts',
      'inbox',
      'peers',
      'refuse',
      'reply',
      'send',
      'verify_peer',
      'wait_for_message',
      'whoami',
    ]);
    expect(tools.every((tool) => tool.outputSchema !== undefined)).toBe(true);
    expect(tools.every((tool) => tool.annotations !== undefined)).toBe(true);
    expect((await alice.call('whoami')).value).toMatchObject({ name: 'alice' });
    expect((await alice.call('peers')).value).toMatchObject({ peers: [{ name: 'bob' }] });
    const beats: number[] = [];
    const asked = await alice.call(
      'ask',
      { to: 'bob', text: 'How many tests fail?', wait_seconds: 1 },
      ({ progress }) => void beats.push(progress),
    );
    expect(asked.value).toMatchObject({ peer: 'bob', state: 'open', answer: null });
    expect(beats.length).toBeGreaterThan(0);
    const callId = String(asked.value['call_id']);
    expect(asked.text).toContain(callId);

    const bob = await world.connect('bob', { era });
    const { value } = await bob.call('wait_for_message', { wait_seconds: 60 });
    const [question] = value['messages'] as Taken[];
    expect(question).toMatchObject({ from: 'alice', wants_answer: true });
    expect(question?.prompt).toMatch(/⟦begin ([0-9a-f]{16})⟧\nHow many tests fail\?\n⟦end \1⟧$/);
    expect((await bob.call('reply', { id: question?.id, text: 'three' })).isError).toBe(false);
    const answer = await alice.call('call_status', { call_id: callId, wait_seconds: 60 });
    expect(answer).toMatchObject({ isError: false, value: { state: 'answered', error: null } });
    expect(answer.value['answer']).toMatch(/⟦begin ([0-9a-f]{16})⟧\nthree\n⟦end \1⟧$/);
    expect((await bob.call('inbox')).value).toEqual({ messages: [] });
  });

  test('accept a stranger only if the person says so', async () => {
    await using world = await McpWorld.create();
    await world.agent('alice');
    await world.agent('carol');
    await world.command('carol', 'send', 'alice', 'let me in');
    const questions: string[] = [];
    let says: boolean | null = null;
    const alice = await world.connect('alice', {
      era,
      person(message) {
        questions.push(message);
        return says === null ? null : { accept: says };
      },
    });
    let pending: Record<string, unknown>[] = [];
    while (pending.length === 0) {
      const { value } = await alice.call('contacts', { pending: true });
      pending = value['contacts'] as Record<string, unknown>[];
    }
    expect(pending[0]).toMatchObject({ name: 'carol', state: 'pending' });
    expect(pending[0]?.['preview']).toMatch(/⟦begin ([0-9a-f]{16})⟧\nlet me in\n⟦end \1⟧/);
    for (const answer of [null, false]) {
      says = answer;
      const refused = await alice.call('accept_contact', { peer: 'carol' });
      expect(refused.value).toMatchObject({ accepted: false });
    }
    expect((await alice.call('inbox')).value).toEqual({ messages: [] });
    says = true;
    const accepted = await alice.call('accept_contact', { peer: 'carol' });
    expect(accepted.value).toMatchObject({ accepted: true });
    expect(questions).toHaveLength(3);
    expect(questions[0]).toContain(String(pending[0]?.['fingerprint']));
    const { value } = await alice.call('wait_for_message', { wait_seconds: 60 });
    expect(value['messages']).toMatchObject([{ from: 'carol' }]);
  });

  test('where the client cannot ask a person, the command to run is named', async () => {
    await using world = await McpWorld.create();
    await twoAgents(world);
    await world.agent('carol');
    await world.command('carol', 'send', 'alice', 'let me in');
    const alice = await world.connect('alice', { era });
    let refused = await alice.call('accept_contact', { peer: 'carol' });
    while (refused.text.startsWith('UNKNOWN_PEER')) {
      refused = await alice.call('accept_contact', { peer: 'carol' });
    }
    expect(refused).toMatchObject({ isError: true });
    expect(refused.text).toMatch(/agentmesh accept am2[a-z2-7]{52}$/);
    const verified = await alice.call('verify_peer', { peer: 'bob' });
    expect(verified.value).toMatchObject({ name: 'bob', fingerprint: expect.any(String) });
    const unknown = await alice.call('ask', { to: 'nobody', text: 'x' });
    expect(unknown.isError).toBe(true);
    expect(unknown.text).toMatch(/^PEER_NOT_FOUND: .* What to do: agentmesh peers/);
  });
});

test('several sessions share one agent; when the one that holds it is killed, the next does', async () => {
  await using world = await McpWorld.create();
  await twoAgents(world);
  const first = await world.connect('alice');
  expect((await first.call('whoami')).value).toMatchObject({ name: 'alice' });
  const others = await Promise.all([world.connect('alice'), world.connect('alice')]);
  for (const other of others) {
    expect((await other.call('whoami')).value).toMatchObject({ name: 'alice' });
  }
  await first.kill();
  for (const other of others) {
    const sent = await other.call('send', { to: 'bob', text: 'still here' });
    expect(sent).toMatchObject({ isError: false });
  }
});

test('a wait that its client gives up takes no message away from others', async () => {
  await using world = await McpWorld.create();
  await twoAgents(world);
  const alice = await world.connect('alice');
  await alice.call('whoami');
  const gone = new AbortController();
  const waiting = alice.client.callTool(
    { name: 'wait_for_message', arguments: { wait_seconds: 600 } },
    { signal: gone.signal, timeout: 600_000 },
  );
  waiting.catch(() => undefined);
  // The server works on one request after the other.
  await alice.call('whoami');
  gone.abort();
  await expect(waiting).rejects.toBeInstanceOf(Error);
  await alice.call('whoami');
  await world.command('bob', 'send', 'alice', 'for whoever waits');
  const { value } = await alice.call('wait_for_message', { wait_seconds: 60 });
  expect(value['messages']).toMatchObject([{ from: 'bob' }]);
});

test('without an agent every tool says how to make one', async () => {
  await using world = await McpWorld.create();
  const nobody = await world.connect('nobody');
  const result = await nobody.call('whoami');
  expect(result).toMatchObject({ isError: true });
  expect(result.text).toMatch(/^NO_AGENT: .*What to do: agentmesh up/);
});

test('contracts that the profile knows are tools; what does not fit is not sent', async () => {
  await using world = await McpWorld.create();
  await twoAgents(world);
  const sum = {
    kind: 'request',
    input: { type: 'object', properties: { of: { type: 'array' } }, required: ['of'] },
    output: { type: 'object' },
  };
  const watch = { kind: 'stream', input: {} };
  const description = { id: 'maths@1', operations: { sum, watch } };
  const file = join(world.folder, 'maths.json');
  writeFileSync(file, JSON.stringify(description));
  await world.command('alice', 'contract', 'add', file);
  const alice = await world.connect('alice');
  const { tools } = await alice.client.listTools();
  const [tool, ...others] = tools.filter(({ name }) => name.startsWith('maths'));
  expect(others).toEqual([]);
  expect(tool).toMatchObject({
    name: 'maths_1_sum',
    inputSchema: { properties: { input: { required: ['of'] } } },
  });
  const wrong = await alice.call('maths_1_sum', { to: 'bob', input: {} });
  expect(wrong).toMatchObject({ isError: true });
  const asked = alice.call('maths_1_sum', { to: 'bob', input: { of: [1, 2] }, wait_seconds: 90 });
  const bob = await world.connect('bob');
  const { value } = await bob.call('wait_for_message', { wait_seconds: 60 });
  const [request] = value['messages'] as Taken[];
  expect(request).toMatchObject({ wants_answer: true });
  await bob.call('reply', { id: request?.id, data: { sum: 3 } });
  const answer = await asked;
  expect(answer).toMatchObject({ isError: false, value: { state: 'answered' } });
  // Exactly what was answered, between the marks.
  expect(answer.text).toMatch(/begin ([0-9a-f]{16})⟧\n\{\s*"sum": 3\s*\}\n⟦end \1/);
});
