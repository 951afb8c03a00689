/**
 * What present identities say about a conversation of former ones (protocol.md §2.13): whether what
 * was said in it has come, and what has not. Owns the bodies of kinds 11 and 128.
 */
import { concatBytes, CONTENT_KIND, CryptoError, equalBytes } from '@agentmesh/crypto';
import type { Content, ContentKind } from '@agentmesh/crypto';

/** A conversation by its ends, one way. */
export interface TalkEnds {
  /** aid of whoever spoke, and of whom it spoke to. */
  readonly speaker: Uint8Array;
  readonly to: Uint8Array;
}

/** A message by its place in its conversation. */
export type Place = Pick<Content, 'convSeq' | 'instance' | 'msgId'>;

/** The speaker asks whether these have come; the other side says which have, and which have not. */
export type FormerWord = TalkEnds &
  (
    | { readonly what: 'asks'; readonly places: readonly Place[] }
    | {
        readonly what: 'answers';
        readonly had: readonly Uint8Array[];
        readonly lacks: readonly Uint8Array[];
      }
  );

/** A message of a former conversation; its msgId and its names are those of what holds it. */
export interface SaidBefore extends TalkEnds {
  readonly said: Pick<Content, 'kind' | 'convSeq' | 'instance' | 'boot' | 'sentAtMs' | 'body'>;
}

/** Messages in one question. */
export const ASKED = 64;

const AID = 32;
const ID = 16;
const PLACE = 8 + ID + ID;
const ENDS = 2 * AID;
const HEAD = ENDS + 1 + 8 + ID + 4 + 8;

export function encodeFormerWord(word: FormerWord): Uint8Array {
  const ends = concatBytes(word.speaker, word.to);
  if (word.what === 'asks') {
    const places = word.places.map(({ convSeq, instance, msgId }) =>
      concatBytes(eight(convSeq), instance, msgId),
    );
    return concatBytes(Uint8Array.of(0), ends, ...places);
  }
  const { had, lacks } = word;
  return concatBytes(Uint8Array.of(1), ends, Uint8Array.of(had.length), ...had, ...lacks);
}

/** Strict inverse of {@link encodeFormerWord}; throws BAD_CONTENT. */
export function decodeFormerWord(body: Uint8Array): FormerWord {
  const ends = endsAt(body, 1);
  if (body[0] === 0) {
    const items = itemsIn(body.subarray(1 + ENDS), PLACE);
    const places = items.map((item): Place => ({
      convSeq: numberAt(item, 0),
      instance: item.slice(8, 8 + ID),
      msgId: item.slice(8 + ID),
    }));
    return { what: 'asks', ...ends, places };
  }
  if (body[0] !== 1) throw new CryptoError('BAD_CONTENT');
  const count = body[1 + ENDS] ?? 0;
  const ids = itemsIn(body.subarray(2 + ENDS), ID);
  if (count > ids.length) throw new CryptoError('BAD_CONTENT');
  return { what: 'answers', ...ends, had: ids.slice(0, count), lacks: ids.slice(count) };
}

/** Bytes that {@link encodeSaidBefore} adds to a body. */
export const SAID_BEFORE_BYTES = HEAD;

/** What was said in a conversation, as what it is said with now. */
export function saidBefore(
  ends: TalkEnds,
  content: Content,
): { readonly kind: ContentKind; readonly body: Uint8Array } {
  const { kind, convSeq, instance, boot, sentAtMs, body } = content;
  if (kind === CONTENT_KIND.saidBefore) return { kind, body };
  const told = encodeSaidBefore({
    ...ends,
    said: { kind, convSeq, instance, boot, sentAtMs, body },
  });
  return { kind: CONTENT_KIND.saidBefore, body: told };
}

export function encodeSaidBefore({ speaker, to, said }: SaidBefore): Uint8Array {
  const boot = new Uint8Array(4);
  new DataView(boot.buffer).setUint32(0, said.boot);
  const { kind, convSeq, instance, sentAtMs, body } = said;
  const place = [Uint8Array.of(kind), eight(convSeq), instance, boot, eight(sentAtMs)];
  return concatBytes(speaker, to, ...place, body);
}

/** Strict inverse of {@link encodeSaidBefore}; throws BAD_CONTENT. */
export function decodeSaidBefore(body: Uint8Array): SaidBefore {
  if (body.length < HEAD) throw new CryptoError('BAD_CONTENT');
  const kind = body[ENDS] ?? 0;
  const { application, callFrames } = CONTENT_KIND;
  if (kind !== application && kind !== callFrames) throw new CryptoError('BAD_CONTENT');
  const convSeq = numberAt(body, ENDS + 1);
  if (convSeq === 0) throw new CryptoError('BAD_CONTENT');
  const at = ENDS + 9;
  const instance = body.slice(at, at + ID);
  const boot = new DataView(body.buffer, body.byteOffset + at + ID, 4).getUint32(0);
  const sentAtMs = numberAt(body, at + ID + 4);
  const said = { kind, convSeq, instance, boot, sentAtMs, body: body.slice(HEAD) };
  return { ...endsAt(body, 0), said };
}

/** Whether one of these identities is meant. */
export function isAmong(aid: Uint8Array, aids: readonly Uint8Array[]): boolean {
  return aids.some((each) => equalBytes(each, aid));
}

function endsAt(body: Uint8Array, at: number): TalkEnds {
  if (body.length < at + ENDS) throw new CryptoError('BAD_CONTENT');
  return { speaker: body.slice(at, at + AID), to: body.slice(at + AID, at + ENDS) };
}

function itemsIn(bytes: Uint8Array, size: number): Uint8Array[] {
  const count = bytes.length / size;
  if (!Number.isInteger(count) || count < 1 || count > ASKED) throw new CryptoError('BAD_CONTENT');
  return Array.from({ length: count }, (_, at) => bytes.slice(at * size, (at + 1) * size));
}

function eight(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

function numberAt(bytes: Uint8Array, at: number): number {
  const value = Number(new DataView(bytes.buffer, bytes.byteOffset + at, 8).getBigUint64(0));
  if (!Number.isSafeInteger(value)) throw new CryptoError('BAD_CONTENT');
  return value;
}
