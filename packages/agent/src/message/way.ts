/**
 * The way of a message: how many others led to it, who began, whether a person wrote it, and its
 * trace (protocol.md §2.22). Requests say it in `$ask`, all others in `$way`. Owns the member and
 * its reading; what follows from it is decided by `around`. Every word of it is a claim of the
 * sender.
 */
import type { JsonObject, JsonValue } from '@agentmesh/protocol';
import { traceContextOf } from '../ground/tracing.js';
import type { TraceContext } from '../ground/tracing.js';
import { readAsk, traceMembers } from './ask.js';
import type { Ask } from './ask.js';

/** What a sender says of the way of its message. */
export interface Way {
  /** Messages and requests that led to this one. */
  readonly hops: number;
  /** Whose message was the first of them: an address; null: its sender's own. */
  readonly origin: string | null;
  /** Whether no person wrote it. */
  readonly isAutomatic: boolean;
  readonly trace: TraceContext | null;
}

const WAY = '$way';
const HIGHEST_HOPS = 1_000;
const ORIGIN_LENGTH = 512;

/** Of a message that says nothing: somebody wrote it, and nothing led to it. */
export const NO_WAY: Way = { hops: 0, origin: null, isAutomatic: false, trace: null };

/** The way of a received payload, request or not. A member of another shape says nothing. */
export function wayOf(payload: JsonObject): Way {
  const ask = readAsk(payload);
  if (ask !== null) return wayOfAsk(ask);
  const way = payload[WAY];
  if (typeof way !== 'object' || way === null || Array.isArray(way)) return NO_WAY;
  const { hops = 0, origin = null, auto = false, trace, traceState } = way as JsonObject;
  if (!isHops(hops) || !isOrigin(origin) || typeof auto !== 'boolean') return NO_WAY;
  return { hops, origin, isAutomatic: auto, trace: traceContextOf(trace, traceState) };
}

export function wayOfAsk({ hops, origin, isAutomatic, trace }: Ask): Way {
  return { hops, origin, isAutomatic, trace };
}

/** The member that {@link wayOf} reads; none where there is nothing to say. */
export function wayMember({ hops, origin, isAutomatic, trace }: Way): JsonObject {
  if (hops === 0 && !isAutomatic && trace === null) return {};
  return {
    [WAY]: {
      hops,
      ...(origin === null ? {} : { origin }),
      ...(isAutomatic ? { auto: true } : {}),
      ...traceMembers(trace),
    },
  };
}

function isHops(value: JsonValue): value is number {
  return (
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= HIGHEST_HOPS
  );
}

function isOrigin(value: JsonValue): value is string | null {
  return value === null || (typeof value === 'string' && value.length <= ORIGIN_LENGTH);
}
