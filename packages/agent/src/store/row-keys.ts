/**
 * The keys under which an agent's rows lie: one table of the whole store. Owns their spelling, so
 * that ranges sort as they must; does not know what the rows hold.
 */

/*
 *   meta                      whose store, which opening   hub        pinned hub key
 *   openings                  those that the hub may know of
 *   beginning                 where conversations with unknown peers begin
 *   hub-timeline              which course of its time the hub's store was in
 *   lost-time                 until when this store has lost time
 *   record                    own identity record          prekeys    what was issued
 *   prekey/signed/<id>        private halves               prekey/one-time/<id>
 *   name/<name>               aid pinned to the name       peer/<aid> all that is known of a peer
 *   session/<sid>             one end of a session         bundle/<aid>  handed over, not used yet
 *   skipped/<sid>             parts of its skipped keys    skipped/<sid>/<part>  the keys
 *   heard/<aid>/<epoch><instance>/<part>  which messages had the last numbers
 *   unaided/<id>              sessions under a signed prekey alone
 *   used/<sid>                accepted once (§2.3)         used-until/<ms>/<sid>
 *   sent/<aid>/<epoch>/<seq>  contents not yet acknowledged
 *   behind/<aid>/<epoch>      the same of a former identity, ours or the peer's, not settled yet
 *   rotation                  a change of identity that was begun
 *   former/<aid>              identities of ours that were followed by another one
 *   revoked/<aid>             a revocation, for ever
 *   outbox/<n>  inbox/<n>  dead/<n>  security/<n>          in order of arrival
 *   receipt/<aid>             a receipt is owed           outcome/<aid>/<n>  an outcome is owed
 *   told/<aid>                what the last commit let the program be told
 *   taken/<aid>               its envelopes that were taken last
 *   contact/<aid>             may not reach the handlers   pending/<aid>/<n>  what it has said
 *   stranger/<aid>            wrote first, and nobody here has written to it on his own
 *   invite/<id>               an invite of ours
 *   gap/<aid>                 numbers of its are missing   unacked/<aid>  some of ours are, there
 *   call/<msgId>              a request of ours and its answer, until it was read
 *   part/<msgId>/<n>          what came of a stream, unread   produced/<msgId>  what was sent
 *   loop/<aid>                automatic messages to and from it are held
 *   key/<aid>/<key>           an answer by the key of its request, for a day
 *   step/<msgId>/<key>        results of a request's steps, until it is answered
 */
import { fromHex, toHex } from '@agentmesh/crypto';

const DIGITS = 14;
const utf8 = new TextEncoder();

/** A number so that texts sort as numbers do: 14 hex digits hold 2^53. */
function sortable(number: number): string {
  return number.toString(16).padStart(DIGITS, '0');
}

function id8(id: number): string {
  return id.toString(16).padStart(8, '0');
}

/** One instance of a peer, towards one identity of ours. */
interface NumberedBy {
  readonly since: number;
  readonly instance: Uint8Array;
}

/** Rows in order of arrival. */
export type Log = 'outbox' | 'inbox' | 'dead' | 'security';

export const ROW = {
  meta: 'meta',
  hub: 'hub',
  openings: 'openings',
  beginning: 'beginning',
  hubTimeline: 'hub-timeline',
  lostTime: 'lost-time',
  record: 'record',
  prekeys: 'prekeys',
  rotation: 'rotation',
  revoked: (aid: Uint8Array) => `revoked/${toHex(aid)}`,
  former: (aid: Uint8Array) => `former/${toHex(aid)}`,
  signedPrekey: (id: number) => `prekey/signed/${id8(id)}`,
  oneTimePrekey: (id: number) => `prekey/one-time/${id8(id)}`,
  name: (name: string) => `name/${name}`,
  peer: (aid: Uint8Array) => `peer/${toHex(aid)}`,
  bundle: (aid: Uint8Array) => `bundle/${toHex(aid)}`,
  session: (sid: Uint8Array) => `session/${toHex(sid)}`,
  skipped: (sid: Uint8Array) => `skipped/${toHex(sid)}`,
  skippedPart: (sid: Uint8Array, part: number) => `skipped/${toHex(sid)}/${id8(part)}`,
  heard: (aid: Uint8Array, of: NumberedBy, part: number) =>
    `heard/${toHex(aid)}/${id8(of.since)}${toHex(of.instance)}/${part.toString(16)}`,
  unaided: (signedId: number) => `unaided/${id8(signedId)}`,
  usedSession: (sid: Uint8Array) => `used/${toHex(sid)}`,
  usedUntil: (untilMs: number, sid: Uint8Array) => `used-until/${sortable(untilMs)}/${toHex(sid)}`,
  sent: (aid: Uint8Array, epoch: number, number: number) =>
    `sent/${toHex(aid)}/${id8(epoch)}/${sortable(number)}`,
  behind: (aid: Uint8Array, epoch: number) => `${behindOf(aid)}/${id8(epoch)}`,
  receipt: (aid: Uint8Array) => `receipt/${toHex(aid)}`,
  told: (aid: Uint8Array) => `told/${toHex(aid)}`,
  taken: (aid: Uint8Array) => `taken/${toHex(aid)}`,
  outcome: (aid: Uint8Array, order: number) => `outcome/${toHex(aid)}/${sortable(order)}`,
  contact: (aid: Uint8Array) => `contact/${toHex(aid)}`,
  pending: (aid: Uint8Array, order: number) => `${pendingOf(aid)}/${sortable(order)}`,
  stranger: (aid: Uint8Array) => `stranger/${toHex(aid)}`,
  invite: (id: Uint8Array) => `invite/${toHex(id)}`,
  gap: (aid: Uint8Array) => `gap/${toHex(aid)}`,
  unacked: (aid: Uint8Array) => `unacked/${toHex(aid)}`,
  call: (id: string) => `call/${id}`,
  part: (id: string, at: number) => `part/${id}/${sortable(at)}`,
  streamEnd: (id: string) => `part/${id}/end`,
  streamRead: (id: string) => `part/${id}/read`,
  produced: (id: string) => `produced/${id}`,
  loop: (aid: Uint8Array) => `loop/${toHex(aid)}`,
  key: (aid: Uint8Array, key: string) => `${keysOf(aid)}/${toHex(utf8.encode(key))}`,
  step: (id: string, key: string) => `step/${id}/${toHex(utf8.encode(key))}`,
  log: (log: Log, order: number) => `${log}/${sortable(order)}`,
} as const;

/** Bounds of the range of keys that begin with `prefix` and a slash. */
export function under(prefix: string): { readonly from: string; readonly to: string } {
  // '0' is the character after '/'.
  return { from: `${prefix}/`, to: `${prefix}0` };
}

/** Bounds of the accepted sessions whose time is over. */
export function usedBefore(nowMs: number): { readonly from: string; readonly to: string } {
  return { from: 'used-until/', to: `used-until/${sortable(nowMs)}` };
}

/** What the keys of former conversations with one peer that are not settled begin with. */
export function behindOf(aid: Uint8Array): string {
  return `behind/${toHex(aid)}`;
}

/** Whose former conversation a row stands for, and of which epoch of ours. */
export function formerTalkOf(behindKey: string): {
  readonly aid: Uint8Array;
  readonly epoch: number;
} {
  const [, aid = '', epoch = ''] = behindKey.split('/');
  return { aid: fromHex(aid), epoch: Number.parseInt(epoch, 16) };
}

/** What the keys of contents kept for one peer begin with. */
export function sentTo(aid: Uint8Array): string {
  return `sent/${toHex(aid)}`;
}

/** Bounds of the contents kept for one peer that were said in one epoch of ours. */
export function sentIn(
  aid: Uint8Array,
  epoch: number,
): { readonly from: string; readonly to: string } {
  return under(`${sentTo(aid)}/${id8(epoch)}`);
}

/** Number of a kept content. */
export function numberOfSent(sentKey: string): number {
  return Number.parseInt(sentKey.slice(sentKey.lastIndexOf('/') + 1), 16);
}

/** Bounds of the outcomes owed to one peer. */
export function outcomesOf(aid: Uint8Array): { readonly from: string; readonly to: string } {
  return under(outcomesUnder(aid));
}

/** What the rows of outcomes owed to one peer begin with. */
export function outcomesUnder(aid: Uint8Array): string {
  return `outcome/${toHex(aid)}`;
}

/** What the rows of answers by the keys of one peer's requests begin with. */
export function keysOf(aid: Uint8Array): string {
  return `key/${toHex(aid)}`;
}

/** What the rows of messages that wait for a decision about their sender begin with. */
export function pendingOf(aid: Uint8Array): string {
  return `pending/${toHex(aid)}`;
}

/** Order that a message which waits for a decision would have in the inbox. */
export function pendingOrderOf(pendingKey: string): number {
  return Number.parseInt(pendingKey.slice(pendingKey.lastIndexOf('/') + 1), 16);
}

/** Order of the inbox row that an outcome's row stands for. */
export function inboxOrderOf(outcomeKey: string): number {
  return Number.parseInt(outcomeKey.slice(outcomeKey.lastIndexOf('/') + 1), 16);
}

/** The aid in the key of a row of which each peer has one, such as `gap/<aid>`. */
export function aidOfKey(key: string): Uint8Array {
  return fromHex(key.slice(key.indexOf('/') + 1));
}

/** Order of a row in one of the logs. */
export function orderOf(key: string): number {
  return Number.parseInt(key.slice(key.indexOf('/') + 1), 16);
}
