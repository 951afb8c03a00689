/**
 * Serves a contract: each operation as a handler of requests whose input was checked before and
 * whose answer is checked after (protocol.md §2.19). Owns these checks on the callee's side.
 */
import { check, ContractError } from '@agentmesh/contract';
import type { Contract, Guard, Operation } from '@agentmesh/contract';
import type { Logger, Runtime } from '../ground/runtime.js';
import type { Trust } from '../conversation/peer.js';
import type { Message } from '../message/message.js';
import type { RequestContext } from './request-context.js';
import type { StreamItem } from './stream-items.js';

/** From whom requests are taken. */
export type ServedFrom = 'anyone' | 'pinned' | 'verified';

/** What the checks of one contract work with. */
export interface ContractServing {
  readonly log: Logger;
  readonly runtime: Runtime;
  readonly from: ServedFrom;
}

type AnyHandler = (input: unknown, context: RequestContext) => unknown;

const RANK: Readonly<Record<Trust | 'anyone', number>> = {
  anyone: 0,
  'first-contact': 0,
  pinned: 1,
  verified: 2,
};

/** What runs for one operation. */
export function servedOperation(
  serving: ContractServing,
  op: string,
  operation: Operation,
  handler: AnyHandler,
): (request: Message, context: RequestContext) => unknown {
  const guard = guardOf(serving.runtime);
  const inputOf = async (request: Message, context: RequestContext): Promise<unknown> => {
    if (RANK[context.peer.trust] < RANK[serving.from]) {
      throw context.error('REFUSED', null, { message: `${op} is for ${serving.from} peers` });
    }
    try {
      return await check(operation.input, request.value, 'BAD_PAYLOAD', guard);
    } catch (error) {
      throw toldOf(serving, op, error, context);
    }
  };
  const fitting = async (
    schema: Operation['input'],
    value: unknown,
    context: RequestContext,
  ): Promise<unknown> => {
    try {
      await check(schema, value, 'INVALID_OUTPUT', guard);
      return value;
    } catch (error) {
      throw toldOf(serving, op, error, context);
    }
  };
  switch (operation.kind) {
    case 'event':
      return async (request, context) => {
        await handler(await inputOf(request, context), context);
      };
    case 'request':
      return async (request, context) =>
        fitting(operation.output, await handler(await inputOf(request, context), context), context);
    case 'stream':
      return async function* (request, context) {
        const input = await inputOf(request, context);
        const chunks = handler(input, context) as AsyncGenerator<StreamItem, unknown, void>;
        try {
          let step = await chunks.next();
          for (; step.done !== true; step = await chunks.next()) {
            yield (await fitting(operation.chunk, step.value, context)) as StreamItem;
          }
          return await fitting(operation.result, step.value, context);
        } finally {
          // One that is left early cleans up.
          await chunks.return?.(undefined);
        }
      };
  }
}

/** Names of the operations of a contract, as they travel. */
export function operationsOf(
  contract: Contract,
): readonly (readonly [string, string, Operation])[] {
  return Object.entries(contract.operations).map(
    ([name, operation]) => [name, `${contract.id}/${name}`, operation] as const,
  );
}

/** Schemas run on the agent's timers. */
export function guardOf(runtime: Runtime): Guard {
  return { schedule: (delayMs, task) => runtime.schedule(delayMs, task) };
}

/** The caller learns what is wrong with its input; what is wrong here stays in the log. */
function toldOf(
  { log }: ContractServing,
  op: string,
  error: unknown,
  context: RequestContext,
): unknown {
  if (!(error instanceof ContractError)) return error;
  const { code, detail, path } = error;
  if (code === 'BAD_PAYLOAD') return context.error(code, { path }, { message: detail });
  log.error('contract not kept', { op, code, detail });
  return context.error(code, null, { message: 'its own log says more' });
}
