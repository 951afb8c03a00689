/**
 * A contract for the tests, and schemas that misbehave.
 */
import { z } from 'zod';
import { defineContract, event, request, stream } from '../src/index.js';
import type { Schema } from '../src/index.js';

export const research = defineContract('research@1', {
  summarize: request({
    input: z.object({ url: z.url(), words: z.number().default(100) }),
    output: z.object({ summary: z.string() }),
    errors: { PAYWALL: z.object({ price: z.number() }) },
  }),
  write: stream({
    input: z.object({ topic: z.string() }),
    chunk: z.string(),
    result: z.object({ tokens: z.number() }),
  }),
  note: event({ input: z.object({ text: z.string() }) }),
});

/** A schema made by hand, as any library could. */
export function schemaOf(validate: Schema['~standard']['validate']): Schema {
  return { '~standard': { version: 1, vendor: 'test', validate } };
}
