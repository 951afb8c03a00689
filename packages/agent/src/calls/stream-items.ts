/**
 * Items of streams on the wire: JSON values in arrays, or bytes (protocol.md §2.19). Owns their
 * encoding; both ends use it.
 */
import { decodePayload, encodePayload } from '@agentmesh/protocol';
import type { JsonValue } from '@agentmesh/protocol';

/** A chunk of a stream. */
export type StreamItem = JsonValue | Uint8Array;

const FORM_JSON = 1;
const FORM_BYTES = 2;
const utf8 = new TextEncoder();
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** The hash before the first part. */
export const NO_PARTS = new Uint8Array(32);

/** What a part counts of its window besides its data: small ones cost their reader a row each. */
export const PART_COST = 64;

/** One item as it is counted and sent. */
export interface EncodedItem {
  readonly isBytes: boolean;
  /** UTF-8 of its JSON, or its bytes. */
  readonly data: Uint8Array;
}

/** Throws BAD_PAYLOAD for what is neither JSON nor bytes. */
export function encodeItem(item: unknown): EncodedItem {
  if (item instanceof Uint8Array) return { isBytes: true, data: item.slice() };
  // The payload's codec refuses, with a path, whatever JSON would drop or change in silence.
  const wrapped = encodePayload({ item });
  const [head, tail] = ['{"item":'.length, '}'.length];
  return { isBytes: false, data: wrapped.slice(head, wrapped.length - tail) };
}

/** The data of a part; of bytes it holds one item. */
export function encodePart(items: readonly EncodedItem[]): Uint8Array {
  const [first] = items;
  if (first?.isBytes === true) return joined([Uint8Array.of(FORM_BYTES), first.data]);
  const pieces: Uint8Array[] = [Uint8Array.of(FORM_JSON), utf8.encode('[')];
  for (const [at, { data }] of items.entries()) {
    if (at > 0) pieces.push(utf8.encode(','));
    pieces.push(data);
  }
  pieces.push(utf8.encode(']'));
  return joined(pieces);
}

/** The items of a part; throws BAD_PAYLOAD. */
export function decodePart(data: Uint8Array): readonly StreamItem[] {
  if (data[0] === FORM_BYTES) return [data.slice(1)];
  const text = utf8Strict.decode(data.subarray(1));
  const items = decodePayload(utf8.encode(`{"items":${text}}`))['items'];
  return Array.isArray(items) ? (items as readonly JsonValue[]) : [];
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
