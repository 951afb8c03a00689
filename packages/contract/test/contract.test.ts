/**
 * Contracts as values: what may be one, and what it says of itself.
 */
import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { defineContract, describe as describeContract, event, request } from '../src/index.js';
import { research, schemaOf } from './samples.js';

const BAD_CONTRACT = expect.objectContaining({ code: 'BAD_CONTRACT' });

test('a contract knows its name, its major version and its operations, and cannot change', () => {
  expect(research).toMatchObject({ id: 'research@1', name: 'research', major: 1 });
  expect(Object.keys(research.operations)).toEqual(['summarize', 'write', 'note']);
  expect(Object.isFrozen(research) && Object.isFrozen(research.operations)).toBe(true);
});

test.each(['research', 'research@0', 'research@1.2', 'Research@1', '@1', 'a/b@1', 'research@-1'])(
  '%p is no name of a contract',
  (id) => {
    expect(() => defineContract(id as 'x@1', {})).toThrow(BAD_CONTRACT);
  },
);

test.each(['then', 'constructor', '__proto__', 'toString', 'hasOwnProperty', 'a.b', '', '1st'])(
  '%p is no name of an operation',
  (name) => {
    const operations = Object.fromEntries([[name, event({})]]);
    expect(() => defineContract('research@1', operations)).toThrow(BAD_CONTRACT);
  },
);

test.each([
  ['nothing', null],
  ['no kind', {}],
  ['another kind', { kind: 'query' }],
  ['no schema', { kind: 'event', input: { type: 'string' } }],
  ['a schema of errors that is none', { ...request({}), errors: { PAYWALL: 1 } }],
])('an operation that is %s is refused', (_, operation) => {
  expect(() => defineContract('research@1', { ask: operation as never })).toThrow(BAD_CONTRACT);
});

test('a contract describes itself as JSON Schema: inputs before defaults, outputs after them', () => {
  const { id, operations } = describeContract(research);
  expect(id).toBe('research@1');
  expect(operations['summarize']).toMatchObject({
    kind: 'request',
    input: { type: 'object', required: ['url'] },
    output: { type: 'object', properties: { summary: { type: 'string' } } },
    errors: { PAYWALL: { properties: { price: { type: 'number' } } } },
  });
  expect(operations['write']).toMatchObject({ kind: 'stream', chunk: { type: 'string' } });
  expect(operations['note']).not.toHaveProperty('output');
  expect(JSON.parse(JSON.stringify(operations))).toEqual(operations);
});

test('what cannot be said as JSON Schema accepts anything in the description', () => {
  const contract = defineContract('odd@1', {
    plain: request({ input: schemaOf((value) => ({ value })) }),
    date: request({ input: z.string(), output: z.date() }),
  });
  const { operations } = describeContract(contract);
  expect(operations['plain']?.input).toEqual({});
  expect(operations['date']).toMatchObject({ input: { type: 'string' }, output: {} });
});
