/**
 * The payload as the application writes and reads it, around the JSON codec of the protocol: what a
 * text becomes, the default type, and the keys beginning with `$` that belong to AgentMesh. Owns
 * these conventions only.
 */
import { concatBytes, fromHex, toHex } from '@agentmesh/crypto';
import { encodePayload, ProtocolError } from '@agentmesh/protocol';
import type { JsonObject, JsonValue } from '@agentmesh/protocol';
import { VALUE } from './ask.js';

const RESERVED = '$';
const REPLY_TO = '$replyTo';
const ASK = '$ask';
const WAY = '$way';
const INVITE = '$invite';
const INVITE_ID = /^[0-9a-f]{16}$/;
const MAC = /^[0-9a-f]{64}$/;
const MESSAGE_ID = /^[0-9a-f]{32}$/;
const DEFAULT_TYPE = 'message';

/** What is added to a payload besides what the application wrote. */
type Extras = Record<string, JsonValue>;

/**
 * Body of `send`: a text, or an object whose `type` is "message" unless it says else. `replyTo` is
 * the id of the message answered, `members` what AgentMesh adds. Throws BAD_PAYLOAD or TOO_LARGE.
 */
export function messageBody(
  content: unknown,
  replyTo: string | null = null,
  members: JsonObject = {},
): Uint8Array {
  const isText = typeof content === 'string';
  const value = isText ? { text: content } : content;
  const extras: Extras = { ...members };
  if (isText || !hasOwn(value, 'type')) extras['type'] = DEFAULT_TYPE;
  return payloadBody(value, replyTo, extras);
}

/** Body of `sendPayload`: the object as it is. Throws BAD_PAYLOAD or TOO_LARGE. */
export function payloadBody(
  value: unknown,
  replyTo: string | null = null,
  extras: Extras = {},
): Uint8Array {
  const bytes = encodePayload(value);
  // The codec takes nothing but objects.
  assertUnreserved(value as object);
  if (replyTo !== null) extras[REPLY_TO] = replyTo;
  return withMembers(bytes, extras);
}

/**
 * Body of a request or an answer: an object as it is, a text as `text`, nothing as an empty object,
 * any other value as itself. Throws BAD_PAYLOAD or TOO_LARGE.
 */
export function valueBody(value: unknown, members: JsonObject): Uint8Array {
  const extras: Extras = { ...members };
  if (value === undefined) return payloadBody({}, null, extras);
  if (typeof value === 'string') return payloadBody({ text: value }, null, extras);
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isPlain) return payloadBody(value, null, extras);
  return encodePayload({ ...extras, [VALUE]: value });
}

/** The same for a value that the other side gets as exactly what it is. */
export function exactBody(value: unknown, members: JsonObject): Uint8Array {
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value);
  const isOurs = isPlain && Object.keys(value).some((key) => key.startsWith(RESERVED));
  if (isPlain && !isOurs) return payloadBody(value, null, { ...members });
  return encodePayload({ ...members, [VALUE]: value });
}

/** What a request or an answer carries: the inverse of {@link exactBody}. */
export function valueOf(received: JsonObject): JsonValue {
  const value = received[VALUE];
  return value === undefined ? readPayload(received).payload : value;
}

/** The id of the message that a payload answers; null if it answers none. */
export function replyToOf(received: JsonObject): string | null {
  const replyTo = received[REPLY_TO];
  return typeof replyTo === 'string' && MESSAGE_ID.test(replyTo) ? replyTo : null;
}

/** The member that says which message is answered. */
export function replyToMember(id: string): JsonObject {
  return { [REPLY_TO]: id };
}

function hasOwn(value: unknown, key: string): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key);
}

function assertUnreserved(value: object): void {
  const key = Object.keys(value).find((name) => name.startsWith(RESERVED));
  if (key === undefined) return;
  const detail = 'top-level keys beginning with $ are reserved for AgentMesh';
  throw new ProtocolError('BAD_PAYLOAD', { detail });
}

/** JSON objects joined by their text: what was checked is not read a second time. */
function withMembers(bytes: Uint8Array, extras: Extras): Uint8Array {
  if (Object.keys(extras).length === 0) return bytes;
  const added = encodePayload(extras);
  const isEmpty = bytes.length === 2;
  if (isEmpty) return added;
  return concatBytes(added.subarray(0, -1), new TextEncoder().encode(','), bytes.subarray(1));
}

/** A received payload without the reserved keys, and what those said. */
export interface ReadPayload {
  readonly payload: JsonObject;
  readonly replyTo: string | null;
}

/** Takes the reserved keys out; unknown ones of later versions go too. */
export function readPayload(received: JsonObject): ReadPayload {
  const entries = Object.entries(received).filter(([key]) => !key.startsWith(RESERVED));
  return { payload: Object.fromEntries(entries), replyTo: replyToOf(received) };
}

/** Body of the message that proves to have an invite. */
export function inviteBody(id: string, mac: Uint8Array): Uint8Array {
  return encodePayload({ type: 'invite', [INVITE]: { id, mac: toHex(mac) } });
}

/** The proof in a payload; null if there is none, whatever else stands there. */
export function readInviteProof({
  [INVITE]: proof,
}: JsonObject): { readonly id: string; readonly mac: Uint8Array } | null {
  if (typeof proof !== 'object' || proof === null || Array.isArray(proof)) return null;
  const { id, mac } = proof as JsonObject;
  if (typeof id !== 'string' || typeof mac !== 'string') return null;
  return INVITE_ID.test(id) && MAC.test(mac) ? { id, mac: fromHex(mac) } : null;
}

/** What a sender claims of the way that a message has come. */
export interface Claims {
  readonly hops: number | null;
  readonly origin: string | null;
}

/** Reads the claims out of the reserved keys; what has another form claims nothing. */
export function readClaims({ [ASK]: ask, [WAY]: way }: JsonObject): Claims {
  const told = ask ?? way;
  if (typeof told !== 'object' || told === null || Array.isArray(told)) {
    return { hops: null, origin: null };
  }
  const { hops, origin } = told as JsonObject;
  return {
    hops: typeof hops === 'number' && Number.isSafeInteger(hops) && hops >= 0 ? hops : null,
    origin: typeof origin === 'string' ? origin : null,
  };
}

/** The text of a payload; empty if it has none. */
export function textOf(payload: JsonObject): string {
  return textOr(payload['text'], '');
}

/** The type of a payload; "message" if it says none. */
export function typeOf(payload: JsonObject): string {
  return textOr(payload['type'], DEFAULT_TYPE);
}

function textOr(value: JsonValue | undefined, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
