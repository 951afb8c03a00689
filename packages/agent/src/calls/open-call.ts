/**
 * One request of ours in memory, and what all of them work with. Owns these shapes; what happens to
 * a request is `outgoing-calls`'.
 */
import { toHex } from '@agentmesh/crypto';
import { decodePayload } from '@agentmesh/protocol';
import type { JsonObject, JsonValue } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import type { Draft } from '../conversation/compose.js';
import type { AgentError } from '../ground/errors.js';
import type { Logger } from '../ground/runtime.js';
import type { Deliveries } from '../sending/deliveries.js';
import type { Post, Posted } from '../sending/post.js';
import type { Speech } from '../sending/speech.js';
import { ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';
import type { StoreOperation } from '../store/store.js';
import type { CallRow } from './call-row.js';
import type { Slot } from './call-slots.js';
import type { IncomingStream } from './incoming-stream.js';

/** What calls work with. */
export interface OutgoingParts {
  readonly context: AgentContext;
  readonly sweeper: RowSweeper;
  readonly deliveries: Deliveries;
  readonly post: (to: Uint8Array, message: Post) => Promise<Posted>;
  readonly tell: (to: Uint8Array, draft: Draft) => Promise<void>;
  readonly turn: <T>(to: Uint8Array, task: (speech: Speech) => T) => Promise<T>;
  readonly withdraw: (envelopeId: Uint8Array, reason: AgentError) => Promise<boolean>;
}

/** A request to be made. */
export interface Request {
  /** Made with the deadline by our clock. */
  readonly body: (byMs: number) => Uint8Array;
  readonly byMs: number;
  readonly isStream: boolean;
  readonly onProgress: ((value: JsonValue) => void) | null;
  /** Aborted when it is not to be asked any more, with the reason. */
  readonly signal: AbortSignal;
}

/** One that has not been read to its end. */
export interface OpenCall {
  readonly id: string;
  row: CallRow;
  /** The identity that the callee spoke with last; null before it has. */
  heardAs: Uint8Array | null;
  readonly answer: PromiseWithResolvers<JsonObject>;
  readonly delivered: PromiseWithResolvers<void>;
  /** Counts it among the open ones until it has ended. */
  readonly slot: Slot;
  isAwaited: boolean;
  release: (() => void) | null;
  cancelTimer: (() => void) | null;
  /** The time of its caller has passed, whatever a clock that was set since shows. */
  isLate: boolean;
  readonly onProgress: ((value: JsonValue) => void) | null;
  /** What has come of it, if it is a stream. */
  stream: IncomingStream | null;
}

/** One that has just begun, or that an earlier run left. Its promises are never unhandled. */
export function newOpenCall(
  id: string,
  row: CallRow,
  { onProgress, slot }: Pick<OpenCall, 'onProgress' | 'slot'>,
): OpenCall {
  const call: OpenCall = {
    id,
    row,
    heardAs: null,
    answer: Promise.withResolvers(),
    delivered: Promise.withResolvers(),
    slot,
    isAwaited: false,
    release: null,
    cancelTimer: null,
    isLate: false,
    onProgress,
    stream: null,
  };
  for (const { promise } of [call.answer, call.delivered]) promise.catch(() => undefined);
  return call;
}

/** Something has ended it: its answer, an error, or the end of its stream. */
export function hasEnded({ row, stream }: OpenCall): boolean {
  return row.end !== null || stream?.isEnded === true;
}

/** Requests with one answer, or streams. */
export function oldestFirst(
  calls: ReadonlyMap<string, OpenCall>,
  { isStream }: { readonly isStream: boolean },
): OpenCall[] {
  const chosen = [...calls.values()].filter(({ row }) => row.isStream === isStream);
  return chosen.toSorted((a, b) => a.row.sentMs - b.row.sentMs);
}

/** How far the callee is. */
export function tellProgress(call: OpenCall, data: Uint8Array, log: Logger): void {
  try {
    const told = decodePayload(data);
    call.onProgress?.(told['value'] ?? null);
  } catch (error) {
    // A callee that says nonsense, or a listener that fails: the answer still comes.
    log.warn('progress not told', { peer: call.row.peer, error: String(error) });
  }
}

/**
 * Nothing is kept of a stream that is over: after what is being written of it now, all with one
 * commit, for without its row no part is found.
 */
export async function dropStream(
  { context, sweeper }: OutgoingParts,
  { id, row, heardAs }: OpenCall,
  isStopped: () => boolean,
): Promise<void> {
  const drop = async (): Promise<void> => {
    if (isStopped() || context.store.failure !== null) return;
    const parts: StoreOperation[] = [];
    for await (const { key } of rowsUnder(context.store, `part/${id}`)) parts.push({ delete: key });
    sweeper.delete(ROW.call(id), parts);
  };
  // A producer that has changed its identity writes under another lock.
  const [first, second] = [toHex(heardAs ?? row.to), toHex(row.to)];
  await context.peers.run(first, () =>
    first === second ? drop() : context.peers.run(second, drop),
  );
}
