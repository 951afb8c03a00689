/**
 * Values against schemas, schemas of every temper: what fits comes back converted, everything else
 * is an error with a code and a path.
 */
import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { check, ContractError } from '../src/index.js';
import { research, schemaOf } from './samples.js';

const { input } = research.operations.summarize;

test('a value that fits comes back with its defaults', async () => {
  await expect(check(input, { url: 'https://a.example' }, 'BAD_PAYLOAD')).resolves.toEqual({
    url: 'https://a.example',
    words: 100,
  });
});

test('a value that does not fit is refused with the path of each fault', async () => {
  const schema = z.object({ items: z.array(z.object({ name: z.string() })) });
  const bad = { items: [{ name: 'a' }, { name: 2 }] };
  const error = await check(schema, bad, 'BAD_PAYLOAD').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ContractError);
  expect(error).toMatchObject({ code: 'BAD_PAYLOAD', retryable: false, path: 'items[1].name' });
  expect((error as Error).message).toContain('items[1].name: ');
});

test('an answer that does not fit is INVALID_OUTPUT', async () => {
  await expect(check(z.string(), 1, 'INVALID_OUTPUT')).rejects.toMatchObject({
    code: 'INVALID_OUTPUT',
    path: '',
  });
});

test.each([
  [
    'throws',
    () => {
      throw new TypeError('my own bug');
    },
  ],
  ['rejects', () => Promise.reject(new TypeError('my own bug'))],
])('a schema that %s is SCHEMA_FAILED, with its words', async (_, validate) => {
  await expect(check(schemaOf(validate), 1, 'BAD_PAYLOAD')).rejects.toMatchObject({
    code: 'SCHEMA_FAILED',
    detail: 'my own bug',
  });
});

test.each([undefined, null, 7, 'text'])('a schema that answers %p is SCHEMA_FAILED', async (it) => {
  await expect(
    check(
      schemaOf(() => it as never),
      1,
      'BAD_PAYLOAD',
    ),
  ).rejects.toMatchObject({
    code: 'SCHEMA_FAILED',
  });
});

test('a schema that never ends is SCHEMA_TIMEOUT after the time of its guard', async () => {
  const timers: { delayMs: number; task: () => void }[] = [];
  const schedule = (delayMs: number, task: () => void) => {
    timers.push({ delayMs, task });
    return () => undefined;
  };
  const checking = check(
    schemaOf(() => new Promise(() => undefined)),
    1,
    'BAD_PAYLOAD',
    { limitMs: 300, schedule },
  );
  expect(timers.map(({ delayMs }) => delayMs)).toEqual([300]);
  timers[0]?.task();
  await expect(checking).rejects.toMatchObject({ code: 'SCHEMA_TIMEOUT', detail: 'after 300 ms' });
});

test('a schema that answers in time cancels its timer', async () => {
  let isCancelled = false;
  const schedule = () => () => void (isCancelled = true);
  const schema = schemaOf((value) => Promise.resolve({ value }));
  await expect(check(schema, 5, 'BAD_PAYLOAD', { schedule })).resolves.toBe(5);
  expect(isCancelled).toBe(true);
});

test.each(['x', 'ж', '字', '😀'])(
  'issues are bounded: 20 of them, 200 bytes of %s each',
  async (one) => {
    const issue = { message: one.repeat(10_000), path: [one.repeat(10_000)] };
    const schema = schemaOf(() => ({ issues: Array.from({ length: 500 }, () => issue) }));
    const error = await check(schema, 1, 'BAD_PAYLOAD').catch((reason: unknown) => reason);
    const { issues } = error as ContractError;
    expect(issues).toHaveLength(20);
    for (const text of issues.flatMap(({ path, message }) => [path, message])) {
      expect(text).toBe(one.repeat(Math.floor(200 / Buffer.byteLength(one))));
    }
  },
);

test.each([[[]], ['no list'], [[null]], [[{ path: 7 }]]])(
  'issues that say nothing, such as %j, are an error all the same',
  async (issues) => {
    const schema = schemaOf(() => ({ issues }) as never);
    await expect(check(schema, 1, 'BAD_PAYLOAD')).rejects.toMatchObject({
      code: 'BAD_PAYLOAD',
      issues: [{ path: '', message: 'does not fit' }],
    });
  },
);
