/**
 * The body of a content, by its kind (protocol.md §2.6): the application's JSON, receipts, retry
 * requests, outcomes, frames of calls. Owns what an agent understands of each; kinds of later
 * versions are taken and skipped.
 *
 * A receipt may hold one entry with an empty group name: its epoch is the number up to which the
 * sender will send nothing (again), so that a peer with a new store knows where to begin.
 */
import {
  concatBytes,
  CONTENT_KIND,
  CryptoError,
  decodeCallFrames,
  decodeRetry,
  mustBeUnderstood,
  parseRevocation,
} from '@agentmesh/crypto';
import type { CallFrame, Content, Revocation, SequenceRange } from '@agentmesh/crypto';
import { AgentMeshError } from '@agentmesh/crypto';
import { decodePayload, visible } from '@agentmesh/protocol';
import type { JsonObject } from '@agentmesh/protocol';
import { decodeFormerWord, decodeSaidBefore } from './former-talk.js';
import type { FormerWord, SaidBefore } from './former-talk.js';
import { decodeOutcomes } from './outcome.js';
import type { Outcome } from './outcome.js';
import { decodeRunWord } from './run.js';
import type { RunWord } from './run.js';

/** What a content says. */
export type Body =
  | { readonly kind: 'application'; readonly payload: JsonObject }
  | { readonly kind: 'receipt'; readonly floor: number | null }
  | { readonly kind: 'retry'; readonly ranges: readonly SequenceRange[] }
  | { readonly kind: 'nudge' }
  | { readonly kind: 'outcome'; readonly outcomes: readonly Outcome[] }
  | { readonly kind: 'revocation'; readonly revocation: Revocation }
  | { readonly kind: 'run'; readonly word: RunWord }
  | { readonly kind: 'callFrames'; readonly frames: readonly CallFrame[] }
  | { readonly kind: 'formerTalk'; readonly word: FormerWord }
  | { readonly kind: 'saidBefore'; readonly before: SaidBefore }
  /** Of a later version, or reserved. */
  | { readonly kind: 'skipped' }
  /** The same, and its sender is told. */
  | { readonly kind: 'unsupported' };

/** Reads a body; throws BAD_CONTENT. */
export function readBody({ kind, body }: Pick<Content, 'kind' | 'body'>): Body {
  switch (kind) {
    case CONTENT_KIND.application:
      return { kind: 'application', payload: payloadOf(body) };
    case CONTENT_KIND.receipt:
      return { kind: 'receipt', floor: floorOf(body) };
    case CONTENT_KIND.retry:
      return { kind: 'retry', ranges: decodeRetry(body) };
    case CONTENT_KIND.nudge:
      if (body.length > 0) throw new CryptoError('BAD_CONTENT');
      return { kind: 'nudge' };
    case CONTENT_KIND.outcome:
      return { kind: 'outcome', outcomes: outcomesOf(body) };
    case CONTENT_KIND.revocation:
      return { kind: 'revocation', revocation: revocationOf(body) };
    case CONTENT_KIND.run:
      return { kind: 'run', word: decodeRunWord(body) };
    case CONTENT_KIND.callFrames:
      return { kind: 'callFrames', frames: decodeCallFrames(body) };
    case CONTENT_KIND.formerTalk:
      return { kind: 'formerTalk', word: decodeFormerWord(body) };
    case CONTENT_KIND.saidBefore:
      return { kind: 'saidBefore', before: decodeSaidBefore(body) };
    default:
      return { kind: mustBeUnderstood(kind) ? 'unsupported' : 'skipped' };
  }
}

/** Reasons reach errors, events and logs: what those would obey is made visible here. */
function outcomesOf(body: Uint8Array): readonly Outcome[] {
  return decodeOutcomes(body).map((each) => ({ ...each, reason: visible(each.reason) }));
}

function revocationOf(body: Uint8Array): Revocation {
  try {
    return parseRevocation(body);
  } catch (error) {
    throw new CryptoError('BAD_CONTENT', undefined, error);
  }
}

function payloadOf(body: Uint8Array): JsonObject {
  try {
    return decodePayload(body);
  } catch (error) {
    if (error instanceof AgentMeshError) throw new CryptoError('BAD_CONTENT', undefined, error);
    throw error;
  }
}

/** Body of a receipt: u8 n + n × (lp8 group name, u64 epoch, lp8 authenticator). */
export function receiptBody(floor: number | null): Uint8Array {
  if (floor === null) return Uint8Array.of(0);
  const number = new DataView(new ArrayBuffer(8));
  number.setBigUint64(0, BigInt(floor));
  return concatBytes(Uint8Array.of(1, 0), new Uint8Array(number.buffer), Uint8Array.of(0));
}

/** The floor of a receipt; entries of groups are checked for their layout and skipped. */
function floorOf(body: Uint8Array): number | null {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let floor: number | null = null;
  let at = 1;
  try {
    for (let left = view.getUint8(0); left > 0; left--) {
      const group = view.getUint8(at);
      const epoch = view.getBigUint64(at + 1 + group);
      if (group === 0) floor = Number(epoch);
      at += 1 + group + 8;
      at += 1 + view.getUint8(at);
    }
  } catch (error) {
    throw new CryptoError('BAD_CONTENT', undefined, error);
  }
  if (at !== body.length || (floor !== null && !Number.isSafeInteger(floor))) {
    throw new CryptoError('BAD_CONTENT');
  }
  return floor;
}
