/**
 * Methods that read an answer in many parts. Owns what of it is under way to a reader; order and
 * credit are the agent's, which goes on with a stream at the next holder.
 */
import type { CallState, StreamPart } from '../api.js';
import { controlError, reportOf } from '../error.js';
import { within } from '../hold.js';
import type { Hold, MethodWorks, OpenStream } from '../hold.js';
import { keepMsOf, keptInTime, payloadOf } from './sending.js';

const STREAM_MS = 3_600_000;

/** stream, read. */
export function streamMethods(hold: Hold): MethodWorks<'stream' | 'read'> {
  const { agent, streams } = hold;
  return {
    async stream({ to, op, key, timeoutMs = STREAM_MS, tag, ...content }, visitor) {
      const giveUp = new AbortController();
      const stream = agent.stream(to, payloadOf(content), {
        timeout: timeoutMs,
        key,
        op,
        signal: giveUp.signal,
      });
      const id = await keptInTime(stream.id, keepMsOf(timeoutMs), giveUp, { gone: visitor.gone });
      if (giveUp.signal.aborted) throw controlError('NOT_KEPT');
      streams.set(id, { stream, peer: to, next: null });
      if (tag !== undefined) visitor.tell('stored', { tag, id });
      return { id };
    },
    async read({ id, waitMs = 0 }, visitor) {
      const open = streams.get(id) ?? reopened(hold, id);
      try {
        open.next ??= open.stream.next();
        const got = await within(open.next, waitMs, visitor.signal);
        if (got === null) return { parts: [], end: null };
        open.next = null;
        if (got.value.done === true) {
          const end = await endOf(open, id);
          streams.delete(id);
          return { parts: [], end };
        }
        const at = (await open.stream.position) - 1;
        return { parts: [partOf(at, got.value.value)], end: null };
      } catch (error) {
        streams.delete(id);
        return { parts: [], end: failed(open, id, error) };
      }
    },
  };
}

/** One that an earlier holder has begun: what was not read goes on. */
function reopened({ agent, streams }: Hold, id: string): OpenStream {
  const open: OpenStream = { stream: agent.streamById(id), peer: '', next: null };
  streams.set(id, open);
  return open;
}

function partOf(at: number, item: unknown): StreamPart {
  if (item instanceof Uint8Array) {
    return { at, value: null, base64: Buffer.from(item).toString('base64') };
  }
  return { at, value: item as StreamPart['value'], base64: null };
}

async function endOf({ stream, peer }: OpenStream, id: string): Promise<CallState> {
  const answer = await stream.result;
  return { id, peer, state: 'answered', deadlineMs: 0, answer, error: null, prompt: null };
}

function failed({ peer }: OpenStream, id: string, error: unknown): CallState {
  const report = reportOf(error);
  return { id, peer, state: 'failed', deadlineMs: 0, answer: null, error: report, prompt: null };
}
