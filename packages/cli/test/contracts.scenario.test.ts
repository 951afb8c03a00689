/**
 * Contracts, and answers in parts, on the command line: operations with flags, programs that answer
 * them, and agents in TypeScript on the other side.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent } from '@agentmesh/agent';
import { defineContract, describe as describeContract, request, stream } from '@agentmesh/contract';
import { NetworkHub } from '@agentmesh/hub-client';
import { describe, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import { inputFrom } from '../src/command/operation-flags.js';
import type { Mail } from '../src/index.js';
import { misfitOf } from '../src/profile/misfit.js';
import { CommandWorld, twoAgents, until } from './command-world.js';
import type { Home } from './command-world.js';

jest.setTimeout(120_000);

const research = defineContract('research@1', {
  summarize: request({
    input: z.object({ text: z.string(), maxWords: z.number().default(3) }),
    output: z.object({ summary: z.string() }),
  }),
  write: stream({
    input: z.object({ topic: z.string() }),
    chunk: z.union([z.string(), z.object({ page: z.number() })]),
    result: z.object({ tokens: z.number() }),
  }),
});

/** An agent in TypeScript that serves the contract, and streams. */
async function writer(world: CommandWorld, name: string) {
  const hub = new NetworkHub(world.hub);
  const agent = await Agent.create(name, { hub, acceptFrom: 'anyone', logLevel: 'silent' });
  const cancelled = Promise.withResolvers<void>();
  agent.serve(research, {
    summarize: ({ text, maxWords }) => ({ summary: text.split(' ').slice(0, maxWords).join(' ') }),
    async *write({ topic }) {
      yield 'all about ';
      yield topic;
      yield { page: 2 };
      return { tokens: 2 };
    },
  });
  agent.onStream(async function* (message, context) {
    if (message.text === 'fail') throw context.error('NO_STORY', null, { message: 'none left' });
    yield 'once ';
    yield new Uint8Array([1, 2, 3]);
    if (message.text === 'short') return null;
    context.signal.addEventListener('abort', () => cancelled.resolve());
    await cancelled.promise;
    return null;
  });
  return {
    cancelled: cancelled.promise,
    async [Symbol.asyncDispose]() {
      await agent.close();
      await hub.close();
    },
  };
}

async function knowing(home: Home): Promise<void> {
  writeFileSync(join(home.folder, 'research.json'), JSON.stringify(describeContract(research)));
  const added = await home.json(['contract', 'add', 'research.json']);
  expect(added).toEqual([{ id: 'research@1', operations: ['summarize', 'write'] }]);
}

describe('an operation of a contract', () => {
  test('is asked with flags, and its answer is printed', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await twoAgents(world);
    await using _ = await writer(world, 'desk');
    await knowing(bob);
    const ask = ['ask', 'desk', '--contract', 'research@1'];
    const two = await bob.run([...ask, 'summarize', '--text', 'a b c', '--max-words', '2']);
    expect(two).toEqual({ status: 0, stdout: '{"summary":"a b"}\n', stderr: '' });
    const whole = await bob.run([...ask, 'summarize', '--data', '{"text":"a b c d"}', '--json']);
    expect(JSON.parse(whole.stdout)).toMatchObject({ answer: { summary: 'a b c' } });
    const written = await bob.run([...ask, 'write', '--topic=cats']);
    expect(written).toMatchObject({
      status: 0,
      stdout: 'all about cats\n{"page":2}\n{"tokens":2}\n',
    });
    const wrong: readonly (readonly [readonly string[], string])[] = [
      [['summarize', '--words', '2'], '--words: this operation has --text, --max-words'],
      [['summarize', '--text', 'x', '--max-words', 'two'], 'not a number'],
      [['summarize'], 'text: Invalid input'],
      [['translate'], "has no operation 'translate'; it has summarize, write"],
    ];
    for (const [args, text] of wrong) {
      const refused = await bob.run([...ask, ...args]);
      expect([args, refused]).toEqual([args, expect.objectContaining({ status: 2, stdout: '' })]);
      expect(refused.stderr).toContain(text);
    }
  });

  test('is answered by a program, which gets only what fits', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    for (const home of [alice, bob]) await knowing(home);
    const exec =
      'echo "$AGENTMESH_OPERATION" >> ops; grep -q bad && echo "{}" || echo \'{"summary":"s"}\'';
    const args = ['listen', '--exec', exec, '--contract', 'research@1'];
    const listening = alice.start(args, { env: { PATH: '/usr/bin:/bin' } });
    const ask = ['ask', 'alice', '--contract', 'research@1', 'summarize', '--text'];
    expect(await bob.run([...ask, 'good'])).toMatchObject({ stdout: '{"summary":"s"}\n' });
    // Plain questions are answered as ever.
    expect(await bob.run(['ask', 'alice', 'plain'])).toMatchObject({ status: 0 });
    const invalid = await bob.run([...ask, 'bad', '--timeout', '1m']);
    expect(invalid).toMatchObject({ status: 4, stderr: expect.stringContaining('FAILED') });
    const stranger = await bob.run(['rpc'], {
      stdin: `${JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'ask',
        params: { to: 'alice', op: 'research@1/summarize', value: { text: 1 } },
      })}\n`,
    });
    expect(stranger.stdout).toContain('BAD_PAYLOAD: text');
    const other = await bob.run(['rpc'], {
      stdin: `${JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'ask',
        params: { to: 'alice', op: 'other@1/x', value: null },
      })}\n`,
    });
    expect(other.stdout).toContain('UNKNOWN_OPERATION: other@1/x');
    await listening.stop();
    const ops = readFileSync(join(alice.folder, 'ops'), 'utf8').split('\n');
    expect(new Set(ops)).toEqual(new Set(['research@1/summarize', '']));
    expect(await alice.run(['listen', '--contract', 'research@1'])).toMatchObject({ status: 2 });
  });
});

describe('contract', () => {
  test('adds, lists, shows and removes, and refuses what is none', async () => {
    await using world = await CommandWorld.create();
    const home = world.home('me');
    await knowing(home);
    expect((await home.run(['contract', 'list'])).stdout).toBe('research@1: summarize, write\n');
    const { stdout } = await home.run(['contract', 'show', 'research@1']);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(describeContract(research))));
    expect(await home.json(['contract', 'remove', 'research@1'])).toEqual([
      { removed: 'research@1' },
    ]);
    expect(await home.run(['contract', 'list'])).toEqual({ status: 0, stdout: '', stderr: '' });
    for (const text of [
      '{',
      '[]',
      '{"id":"../x@1","operations":{}}',
      '{"id":"a@1","operations":{"b":1}}',
    ]) {
      writeFileSync(join(home.folder, 'bad.json'), text);
      const bad = await home.run(['contract', 'add', 'bad.json']);
      expect(bad).toMatchObject({ status: 2, stderr: expect.stringContaining('[BAD_CONTRACT]') });
    }
    expect(await home.run(['contract', 'show', 'research@1'])).toMatchObject({ status: 2 });
    expect(
      existsSync(join(home.folder, '.agentmesh', 'default', 'agent.contracts', 'x.json')),
    ).toBe(false);
  });
});

describe.each(['held', 'not held'])('ask --stream, with an agent %s', (mode) => {
  test('prints parts as they come, and exits as its end says', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await twoAgents(world);
    if (mode === 'held') await bob.up();
    await using desk = await writer(world, 'desk');
    const short = await bob.run(['ask', 'desk', 'short', '--stream']);
    expect(short).toEqual({ status: 0, stdout: 'once \nAQID\n', stderr: '' });
    const parts = await bob.json(['ask', 'desk', 'short', '--stream']);
    expect(parts).toMatchObject([
      { at: 0, value: 'once ', base64: null },
      { at: 1, value: null, base64: 'AQID' },
      { state: 'answered', peer: 'desk', answer: null },
    ]);
    const failed = await bob.run(['ask', 'desk', 'fail', '--stream', '--json']);
    expect(failed).toMatchObject({ stdout: '' });
    expect(JSON.parse(failed.stderr)).toMatchObject({ code: 'NO_STORY' });
    // Ctrl-C, in the middle: what came is printed already, and the other side is told.
    const long = bob.start(['ask', 'desk', 'long', '--stream']);
    await until(() => long.said.stdout.includes('AQID'));
    expect(await long.stop()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('[CANCELLED]'),
    });
    await desk.cancelled;
  });
});

describe('a question whose answer is wanted in parts', () => {
  test('is answered whole by reply, and refused by refuse', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    const asked = bob.run(['ask', 'alice', 'tell me', '--stream', '--timeout', '4m']);
    const [question] = await alice.json<Mail>(['inbox', '--wait', '60s']);
    expect(question).toMatchObject({ text: 'tell me', asks: { op: null } });
    expect(await alice.run(['reply', question?.id ?? '', 'all of it'])).toMatchObject({
      status: 0,
    });
    expect(await asked).toEqual({ status: 0, stdout: 'all of it\n', stderr: '' });
    const again = bob.run(['ask', 'alice', 'tell me', '--stream', '--timeout', '4m']);
    const [second] = await alice.json<Mail>(['inbox', '--wait', '60s']);
    await alice.run(['refuse', second?.id ?? '', '--reason', 'once is enough']);
    expect(await again).toMatchObject({
      status: 4,
      stdout: '',
      stderr: expect.stringContaining('once is enough'),
    });
  });

  test('is answered whole by a program; a stream of a contract is more than it can answer', async () => {
    await using world = await CommandWorld.create();
    const { alice, bob } = await twoAgents(world);
    for (const home of [alice, bob]) await knowing(home);
    const exec = 'echo one; echo two; exit "$(cat code)"';
    writeFileSync(join(alice.folder, 'code'), '0');
    const args = ['listen', '--exec', exec, '--contract', 'research@1'];
    const listening = alice.start(args, { env: { PATH: '/usr/bin:/bin' } });
    const ask = ['ask', 'alice', 'tell me', '--stream', '--timeout', '4m'];
    expect(await bob.run(ask)).toEqual({ status: 0, stdout: 'one\ntwo\n', stderr: '' });
    writeFileSync(join(alice.folder, 'code'), '65');
    expect(await bob.run(ask)).toMatchObject({ status: 4, stdout: '' });
    const written = await bob.run([
      'ask',
      'alice',
      '--contract',
      'research@1',
      'write',
      '--topic=x',
    ]);
    expect(written).toMatchObject({
      status: 4,
      stdout: '',
      stderr: expect.stringContaining('UNKNOWN_OPERATION: research@1/write'),
    });
    await listening.stop();
  });
});

test('Ctrl-C cancels a question: the one who was asked does not see it any more', async () => {
  await using world = await CommandWorld.create();
  const { alice, bob } = await twoAgents(world);
  const asked = bob.start(['ask', 'alice', 'never mind', '--timeout', '10m']);
  await until(async () => (await alice.json(['inbox', '--peek'])).length === 1);
  expect(await asked.stop()).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('[CANCELLED]'),
  });
  await until(async () => (await alice.json(['inbox', '--peek'])).length === 0);
});

describe('flags', () => {
  const schema = {
    properties: {
      text: { type: 'string' },
      maxWords: { type: 'integer' },
      isShort: { type: 'boolean' },
      tags: { type: 'array', items: { type: 'string' } },
      mode: { enum: ['a', 'b'] },
      any: {},
    },
  };

  test.each([
    [['--text', '3', '--max-words', '3'], { text: '3', maxWords: 3 }],
    [['--text=a=b', '--maxWords=4'], { text: 'a=b', maxWords: 4 }],
    [['--is-short', '--tags', 'x', '--tags', 'y'], { isShort: true, tags: ['x', 'y'] }],
    [['--no-is-short', '--tags', '["z"]'], { isShort: false, tags: ['z'] }],
    [['--', '--mode', 'a', '--any', '{"n":1}'], { mode: 'a', any: { n: 1 } }],
    [['--any', 'plain', '--text', '--no'], { any: 'plain', text: '--no' }],
    [[], {}],
  ])('%j', (flags, input) => {
    expect(inputFrom(flags, schema)).toEqual(input);
  });

  test('that cannot be read are refused, and schemas beyond our understanding accept', async () => {
    for (const flags of [['text'], ['--text'], ['--max-words', 'x'], ['--__proto__', '1']]) {
      expect(() => inputFrom(flags, schema)).toThrow(
        expect.objectContaining({ code: 'BAD_OPTION' }),
      );
    }
    expect(await misfitOf(1, { type: 'string' })).toContain('expected string');
    expect(await misfitOf(1, { $ref: 'https://example.com/x' })).toBeNull();
  });
});
