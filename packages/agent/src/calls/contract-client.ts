/**
 * Calls a contract: one function for each operation, with its input checked before it leaves and
 * its answer when it came. Owns these checks on the caller's side.
 */
import { check } from '@agentmesh/contract';
import type {
  Callers,
  ChunkStream,
  Contract,
  Operation,
  Schema,
  StreamOf,
  StreamOperation,
} from '@agentmesh/contract';
import type { Runtime } from '../ground/runtime.js';
import type { AgentStream } from './agent-stream.js';
import type { Call } from './call.js';
import { guardOf, operationsOf } from './contract-server.js';

/** An event on its way: like what `send` gives. */
export interface EventSent {
  readonly id: string;
  /** Fulfilled when it is in the peer's store. */
  readonly delivered: Promise<void>;
  /** Fulfilled when the peer's handler is done. Rejects with what it threw. */
  readonly handled: Promise<void>;
}

/** How operations leave. */
export interface ContractMeans<Options> {
  readonly runtime: Runtime;
  readonly call: (op: string, input: unknown, options: Options | undefined) => Promise<Call>;
  readonly stream: (op: string, input: unknown, options: Options | undefined) => AgentStream;
}

/** The functions of a contract for one peer. */
export function callersOf<C extends Contract, Options>(
  contract: C,
  means: ContractMeans<Options>,
): Callers<C, Options, EventSent> {
  const callers = operationsOf(contract).map(([name, op, operation]) => [
    name,
    callerOf(op, operation, means),
  ]);
  return Object.freeze(Object.fromEntries(callers)) as Callers<C, Options, EventSent>;
}

function callerOf<Options>(
  op: string,
  operation: Operation,
  means: ContractMeans<Options>,
): (input?: unknown, options?: Options) => unknown {
  const guard = guardOf(means.runtime);
  const checked = async (schema: Schema, value: unknown): Promise<unknown> =>
    check(schema, value, 'INVALID_OUTPUT', guard);
  const asked = async (input: unknown): Promise<void> => {
    await check(operation.input, input, 'BAD_PAYLOAD', guard);
  };
  switch (operation.kind) {
    case 'event':
      return async (input, options) => {
        await asked(input);
        const call = await means.call(op, input ?? null, options);
        return sentOf(call);
      };
    case 'request':
      return async (input, options) => {
        await asked(input);
        const call = await means.call(op, input ?? null, options);
        return checked(operation.output, await call.answer());
      };
    case 'stream':
      return (input, options) => {
        const begun = asked(input).then(() => means.stream(op, input ?? null, options));
        return chunksOf(begun, operation, means.runtime);
      };
  }
}

function sentOf(call: Call): EventSent {
  const handled = Promise.withResolvers<void>();
  handled.promise.catch(() => undefined);
  call.answer().then(() => handled.resolve(), handled.reject);
  return { id: call.id, delivered: call.delivered, handled: handled.promise };
}

/** A stream with its chunks and its result as an operation has them. */
export function chunksOf<Op extends StreamOperation>(
  begun: Promise<AgentStream>,
  operation: Op,
  runtime: Runtime,
): StreamOf<Op> {
  const guard = guardOf(runtime);
  const fit = (schema: Schema, value: unknown): Promise<unknown> =>
    check(schema, value, 'INVALID_OUTPUT', guard);
  begun.catch(() => undefined);
  const stream: ChunkStream<unknown, unknown> = {
    get id() {
      return begun.then(({ id }) => id);
    },
    get position() {
      return begun.then(({ position }) => position);
    },
    get result() {
      const result = begun.then(async (own) => fit(operation.result, await own.result));
      result.catch(() => undefined);
      return result;
    },
    cancel: async (reason) => (await begun.catch(() => null))?.cancel(reason),
    async *[Symbol.asyncIterator]() {
      for await (const chunk of await begun) yield await fit(operation.chunk, chunk);
    },
  };
  return stream as StreamOf<Op>;
}
