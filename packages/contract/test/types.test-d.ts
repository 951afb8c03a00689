/**
 * The types of both sides, proved by the compiler alone: `pnpm typecheck` fails where a line here
 * says something wrong, and where a line that must not compile does.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { defineContract, event, request } from '../src/index.js';
import type { Callers, ChunkStream, Handlers, Schema } from '../src/index.js';
import type { research } from './samples.js';

type IsAny<A> = 0 extends 1 & A ? true : false;
type Same<A, B> = [IsAny<A>, A] extends [IsAny<B>, B]
  ? [IsAny<B>, B] extends [IsAny<A>, A]
    ? true
    : false
  : false;
type Prove<Claim extends true> = Claim;

interface Context {
  readonly signal: AbortSignal;
}
interface Options {
  readonly timeout?: string;
}
type Peer = Callers<typeof research, Options, { readonly id: string }>;
type Served = Handlers<typeof research, Context>;

// Schemas of the specification are schemas here, and the other way round.
export type Proof1 = Prove<
  StandardSchemaV1<string, number> extends Schema<string, number> ? true : false
>;
export type Proof2 = Prove<
  Schema<string, number> extends StandardSchemaV1<string, number> ? true : false
>;

// A caller passes what the schema accepts, and gets what it gives.
export type Proof3 = Prove<
  Same<
    Parameters<Peer['summarize']>,
    [input: { url: string; words?: number | undefined }, options?: Options]
  >
>;
export type Proof4 = Prove<Same<ReturnType<Peer['summarize']>, Promise<{ summary: string }>>>;
export type Proof5 = Prove<
  Same<ReturnType<Peer['write']>, ChunkStream<string, { tokens: number }>>
>;
export type Proof6 = Prove<Same<ReturnType<Peer['note']>, Promise<{ readonly id: string }>>>;

declare const peer: Peer;
void peer.summarize({ url: 'https://a.example' });
// @ts-expect-error: the input lacks what has no default
void peer.summarize({ words: 3 });
// @ts-expect-error: a member of another type
void peer.summarize({ url: 1 });
// @ts-expect-error: no such operation
void peer.summarise({ url: 'https://a.example' });
// @ts-expect-error: no such option
void peer.summarize({ url: 'https://a.example' }, { timeOut: '1s' });

// A handler gets defaults filled in, and gives what the schema of the answer accepts.
export const served: Served = {
  summarize: async ({ url, words }, context) => {
    const count: Same<typeof words, number> = true;
    if (url === '') throw context.error('PAYWALL', { price: 3 });
    // @ts-expect-error: an error that the operation does not declare
    if (url === '') throw context.error('GONE', {});
    // @ts-expect-error: an error with other data than declared
    if (url === '') throw context.error('PAYWALL', { price: 'much' });
    return { summary: `${url} in ${words}, ${count}` };
  },
  async *write({ topic }, { signal }) {
    signal.throwIfAborted();
    yield topic;
    return { tokens: 1 };
  },
  note: ({ text }) => void text.length,
};

// @ts-expect-error: an operation without a handler
export const incomplete: Served = { summarize: served.summarize, write: served.write };

export const wrongAnswer: Served = {
  ...served,
  // @ts-expect-error: an answer of another type
  summarize: async () => ({ summary: 1 }),
};

export const wrongChunk: Served = {
  ...served,
  // @ts-expect-error: a chunk of another type
  async *write() {
    yield 1;
    return { tokens: 1 };
  },
};

// What names no schema takes and gives anything, and the input may be left out.
const loose = defineContract('loose@2', { ping: request({}), tell: event({}) });
declare const loosePeer: Callers<typeof loose, Options, void>;
const answer = loosePeer.ping();
export type Proof7 = Prove<Same<typeof answer, Promise<unknown>>>;
void loosePeer.tell({ anything: true }, { timeout: '1s' });

// @ts-expect-error: a name without a major version
defineContract('loose', {});
// @ts-expect-error: not a schema
request({ input: { type: 'string' } });
