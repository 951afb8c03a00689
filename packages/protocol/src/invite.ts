/**
 * An invite: one line that leads to a hub and to an agent there, and that lets whoever has it in
 * (protocol.md §2.20). Owns its text; spending one is the agent's.
 *
 * agentmesh: | base64url( u8 version | u8 n | n × lp8(hub address) | hubKey(32) | aid(32) |
 *              lp8(name) | u64 expiresMs | secret(16) | lp16(token) )
 */
import { concatBytes, isAgentName } from '@agentmesh/crypto/verify';
import { fromBase64Url, toBase64Url } from './base64url.js';

/** What an invite says. It is a secret: whoever reads it can use it. */
export interface Invite {
  /** Addresses of the hub, as `NetworkHub` takes them; none for a hub of one process. */
  readonly hubs: readonly string[];
  /** The key that the hub proves, 32 bytes. */
  readonly hubKey: Uint8Array;
  /** The agent that made it: 32 bytes, and its name there. */
  readonly aid: Uint8Array;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly expiresMs: number;
  /** 16 random bytes that the joiner proves to know. */
  readonly secret: Uint8Array;
  /** Registration token of the hub; null if none goes with it. */
  readonly token: string | null;
}

const SCHEME = 'agentmesh:';
const VERSION = 1;
const HUBS = 8;
const HUB_BYTES = 255;
const TOKEN_BYTES = 512;
/** Far above what all parts have together. */
const MOST_CHARACTERS = 6_000;

/** The line to paste. Its parts were checked where they came from. */
export function encodeInvite(invite: Invite): string {
  const utf8 = new TextEncoder();
  const token = utf8.encode(invite.token ?? '');
  const bytes = concatBytes(
    Uint8Array.of(VERSION, invite.hubs.length),
    ...invite.hubs.flatMap((hub) => lp8(utf8.encode(hub))),
    invite.hubKey,
    invite.aid,
    ...lp8(utf8.encode(invite.name)),
    u64(invite.expiresMs),
    invite.secret,
    Uint8Array.of(token.length >> 8, token.length & 0xff),
    token,
  );
  return SCHEME + toBase64Url(bytes);
}

/** Reads a line; null if it is no invite. White space around it is no fault. */
export function decodeInvite(text: unknown): Invite | null {
  if (typeof text !== 'string' || text.length > MOST_CHARACTERS) return null;
  const line = text.trim();
  if (!line.startsWith(SCHEME)) return null;
  try {
    return read(fromBase64Url(line.slice(SCHEME.length)));
  } catch {
    // Whatever is wrong with it, there is one remedy: paste the whole line.
    return null;
  }
}

function read(bytes: Uint8Array): Invite | null {
  let at = 0;
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError('invite ends early');
    at += length;
    return bytes.slice(at - length, at);
  };
  const text = (length: number): string =>
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(take(length));
  const byte = (): number => take(1)[0] ?? 0;
  if (byte() !== VERSION) return null;
  const hubs = Array.from({ length: byte() }, () => text(byte()));
  // Not judged here, where no cryptography need be loaded: whoever connects checks the key.
  const hubKey = take(32);
  const aid = take(32);
  const name = text(byte());
  const expiresMs = Number(new DataView(take(8).buffer).getBigUint64(0));
  const secret = take(16);
  const token = text((byte() << 8) | byte());
  const isGood =
    at === bytes.length &&
    hubs.length <= HUBS &&
    hubs.every((hub) => VISIBLE.test(hub)) &&
    isAgentName(name) &&
    Number.isSafeInteger(expiresMs) &&
    token.length <= TOKEN_BYTES &&
    (token === '' || VISIBLE.test(token));
  return isGood
    ? { hubs, hubKey, aid, name, expiresMs, secret, token: token === '' ? null : token }
    : null;
}

const VISIBLE = /^[\x21-\x7e]+$/;

function lp8(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length > HUB_BYTES) throw new RangeError('at most 255 bytes');
  return [Uint8Array.of(bytes.length), bytes];
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}
