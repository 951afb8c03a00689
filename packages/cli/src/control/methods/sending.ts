/**
 * The method that sends.
 * Owns what it waits for; the agent keeps and carries the message.
 */
import type { SendResult } from '@agentmesh/agent';
import type { ExactContent, SentMail } from '../api.js';
import { controlError, reportOf } from '../error.js';
import { within } from '../hold.js';
import type { Hold, MethodWorks, Visitor } from '../hold.js';

const WAIT_MS = 10_000;

/** How long something may take to be kept here where the caller does not say. */
export const KEEP_MS = 10_000;
/** A commit takes a moment, however short the answer is wanted. */
export const LEAST_KEEP_MS = 2_000;

/** How long a request may take to be kept here, whose answer is wanted for so long. */
export function keepMsOf(wantedMs: number): number {
  return Math.min(KEEP_MS, Math.max(LEAST_KEEP_MS, wantedMs));
}

/** A text or an object as the agent takes it. BAD_REQUEST where there is neither. */
export function payloadOf({ text, data, value }: ExactContent): string | object {
  // What an operation takes is any value, whatever the type of a plain message says.
  if (value !== undefined) return value as object;
  if (data === undefined && text === undefined) {
    throw controlError('BAD_REQUEST', 'text or data: give one of them');
  }
  if (data === undefined) return text ?? '';
  return text === undefined ? data : { ...data, text };
}

/**
 * What is kept here within the time. NOT_KEPT where it is not: then it never is, so whoever asked
 * may try again. `giveUp` is the signal of what was begun. With the visitor's `signal`, what a
 * holder that ends has not begun to commit is left to the next one.
 */
export async function keptInTime<T>(
  begun: Promise<T>,
  ms: number,
  giveUp: AbortController,
  { gone, signal = gone }: Pick<Visitor, 'gone'> & Partial<Visitor>,
): Promise<T> {
  const kept = await within(begun, ms, signal);
  if (kept !== null) return kept.value;
  const isLeaving = signal.aborted && !gone.aborted;
  giveUp.abort();
  try {
    // What is being committed just now is kept.
    return await begun;
  } catch (error) {
    // The next holder is asked again, for as long as is left.
    if (isLeaving && reportOf(error).code === 'CANCELLED') throw controlError('HOLDER_LEAVING');
    return asNotKept(error);
  }
}

function asNotKept(error: unknown): never {
  throw reportOf(error).code === 'CANCELLED' ? controlError('NOT_KEPT') : error;
}

/** Whether what was given up could not be taken back, as the agent says. NOT_KEPT where it was. */
async function isOnItsWay(accepted: Promise<unknown>): Promise<boolean> {
  try {
    await accepted;
    return false;
  } catch (error) {
    const { code, detail } = error as { readonly code?: unknown; readonly detail?: unknown };
    return (code === 'CANCELLED' && detail !== undefined) || asNotKept(error);
  }
}

/** send. */
export function sendingMethods({ agent }: Hold): MethodWorks<'send'> {
  return {
    async send({ to, text, data, wait = 'accepted', waitMs = WAIT_MS, ttlMs, tag }, visitor) {
      const stored = Promise.withResolvers<string>();
      const giveUp = new AbortController();
      const accepted = agent.send(to, payloadOf({ text, data }), {
        ttl: ttlMs,
        signal: giveUp.signal,
        onStored(id) {
          if (tag !== undefined) visitor.tell('stored', { tag, id });
          stored.resolve(id);
        },
      });
      // Whatever fails before the message is kept fails the method.
      accepted.catch((error: unknown) => stored.reject(error));
      const keepMs = Math.max(LEAST_KEEP_MS, waitMs);
      const id = await keptInTime(stored.promise, keepMs, giveUp, { gone: visitor.gone });
      // It was being committed when it was given up: then it is taken back again, if it can be.
      if (giveUp.signal.aborted && (await isOnItsWay(accepted))) return { id, to, state: 'queued' };
      let state: SentMail['state'] = 'queued';
      const reach = async (wanted: SentMail['state'], step: Promise<unknown>): Promise<void> => {
        await step;
        state = wanted;
      };
      const way = async (): Promise<void> => {
        await reach('accepted', accepted);
        const result: SendResult = await accepted;
        if (wait === 'delivered' || wait === 'handled') await reach('delivered', result.delivered);
        if (wait === 'handled') await reach('handled', result.handled);
      };
      if (wait !== 'queued') await within(way(), waitMs, visitor.gone);
      return { id, to, state };
    },
  };
}
