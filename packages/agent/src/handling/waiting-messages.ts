/**
 * Messages that wait for a handler, by their senders: who may go next, and how much of the inbox
 * each sender takes. Owns order and shares; runs nothing.
 */
import { decodeContent, toHex } from '@agentmesh/crypto';
import { decodePayload } from '@agentmesh/protocol';
import type { JsonObject } from '@agentmesh/protocol';
import { AGENT_LIMITS, SHARE_OF_ROOM } from '../ground/limits.js';
import { readAsk } from '../message/ask.js';
import type { Ask } from '../message/ask.js';
import type { InboxRow } from '../message/inbox.js';
import type { Seen } from '../message/message.js';
import { wayOf, wayOfAsk } from '../message/way.js';
import type { Way } from '../message/way.js';
import { HandlingOrder, isSaidBefore } from './handling-order.js';
import type { Position } from './handling-order.js';
import type { Places } from './places.js';

/** A committed inbox row. */
export interface InboxEntry {
  readonly key: string;
  readonly row: InboxRow;
  /** Name of its sender, which its later identities have, too. */
  readonly sender: string;
  readonly position: Position;
  /** Whether a handler may have seen it in an earlier run. */
  readonly redelivered: boolean;
  /** What it asks, if it is a request. */
  readonly request: { readonly id: string; readonly ask: Ask } | null;
  /** What its sender says of its way. */
  readonly way: Way;
}

/** A message that waits, or that handlers have now. */
export interface Waiting {
  readonly entry: InboxEntry;
  /** Runs begun, this one included while it runs. */
  attempts: number;
  /** While it runs: whether this run stands in its row already. */
  isCounted: boolean;
  /** Handlers that were content with it. */
  readonly content: Set<object>;
  /** Whether it came late; null before its first run. */
  late: boolean | null;
  /** When it may run, though earlier numbers are missing or it has failed. */
  dueMs: number;
  /** Whether a run of it could not be finished for want of room. */
  isPutOff: boolean;
  /** While handlers have it: what tells them to stop. */
  controller: AbortController | null;
  /** While a handler of requests has it: whose place it takes. */
  places: Places | null;
  /** While handlers have it: the next one of its sender waits for it. */
  isInTurn: boolean;
}

/** An item that is a request. */
export type WaitingRequest = Waiting & {
  readonly entry: { readonly request: NonNullable<InboxEntry['request']> };
};

/** What of the waiting messages may run. */
export interface Choice {
  /** Whether the next one of its sender waits for it. */
  readonly isOrdered: (item: Waiting) => boolean;
  readonly mayRun: (item: Waiting) => boolean;
}

/** A row that an earlier run left, or that is in the inbox again. */
export function entryOf(key: string, row: InboxRow): InboxEntry {
  const { msgId, body, fromName: sender } = decodeContent(row.content);
  const position = { source: key, number: 0 };
  const told = toldIn(msgId, decodePayload(body));
  return { key, row, sender, position, redelivered: true, ...told };
}

/** What a payload says of itself: what it asks, and its way. */
export function toldIn(
  msgId: Uint8Array,
  payload: JsonObject,
): Pick<InboxEntry, 'request' | 'way'> {
  const ask = readAsk(payload);
  if (ask === null) return { request: null, way: wayOf(payload) };
  return { request: { id: toHex(msgId), ask }, way: wayOfAsk(ask) };
}

/** What is known of a message when handlers get it. */
export function seenOf({ entry, attempts, late }: Waiting): Seen {
  return { redelivered: entry.redelivered || attempts > 1, late: late === true };
}

interface Sender {
  /** In order of arrival; those that run included. */
  readonly items: Set<Waiting>;
  bytes: number;
  /** Judged but not committed yet. */
  stagedMessages: number;
  stagedBytes: number;
  /** Some of its messages were put off: those that come meanwhile wait for them. */
  putOffUntilMs: number;
}

/** The waiting messages of one agent. Senders are aids in hex. */
export class WaitingMessages {
  /** The one that has waited longest for its turn comes first. */
  readonly #senders = new Map<string, Sender>();
  readonly #order = new HandlingOrder();
  /** Names of those of whom handlers have a message that the next one waits for. */
  readonly #inTurn = new Set<string>();
  #messages = 0;
  #bytes = 0;
  #onRoom: () => void = () => undefined;

  get size(): number {
    return this.#messages;
  }

  /** Tells whenever one is done with. */
  onRoom(told: () => void): void {
    this.#onRoom = told;
  }

  /** Whether something of this sender waits, runs or is being committed. */
  holds(key: string): boolean {
    return this.#senders.has(key);
  }

  /**
   * Whether a message of this sender still fits, what is staged counted. `before`: so many of it
   * come first, whose bytes are in `bytes`.
   */
  hasRoomFor(from: Uint8Array, bytes: number, before = 0): boolean {
    const { inboxMessages, inboxBytes } = AGENT_LIMITS;
    const sender = this.#senders.get(toHex(from));
    const messages = before + (sender?.items.size ?? 0) + (sender?.stagedMessages ?? 0);
    const held = (sender?.bytes ?? 0) + (sender?.stagedBytes ?? 0);
    const room = inboxMessages - this.#messages - before;
    const roomBytes = inboxBytes - this.#bytes;
    if (room <= 0 || bytes > roomBytes) return false;
    // One message always fits: a share smaller than a message would close the door for good.
    if (messages === 0) return true;
    return messages < room * SHARE_OF_ROOM && held + bytes <= (roomBytes - bytes) * SHARE_OF_ROOM;
  }

  /** A message takes its room before its commit. */
  stage(from: Uint8Array, bytes: number): void {
    const sender = this.#of(toHex(from));
    sender.stagedMessages += 1;
    sender.stagedBytes += bytes;
    this.#messages += 1;
    this.#bytes += bytes;
  }

  /** Messages of this sender come again later; those behind them wait as long for their turn. */
  putOff(from: Uint8Array, untilMs: number): void {
    const sender = this.#of(toHex(from));
    sender.putOffUntilMs = Math.max(sender.putOffUntilMs, untilMs);
  }

  putOffUntilMs(from: Uint8Array): number {
    return this.#senders.get(toHex(from))?.putOffUntilMs ?? 0;
  }

  /** A message that was staged is committed; one that was not takes its room now. */
  add(entry: InboxEntry, dueMs: number, isStaged: boolean): void {
    const { from, content } = entry.row;
    if (!isStaged) this.stage(from, content.length);
    const sender = this.#of(toHex(from));
    sender.stagedMessages -= 1;
    sender.stagedBytes -= content.length;
    sender.bytes += content.length;
    const { attempts } = entry.row;
    if (isStaged) this.#order.arrived(entry.position);
    sender.items.add({
      entry,
      attempts,
      isCounted: false,
      content: new Set(),
      late: null,
      dueMs,
      isPutOff: false,
      controller: null,
      places: null,
      isInTurn: false,
    });
  }

  /** A run of it could not be finished, and does not count. */
  putOffRun(item: Waiting, dueMs: number): void {
    item.attempts -= 1;
    item.isPutOff = true;
    item.dueMs = dueMs;
  }

  /** It is done with. */
  remove(item: Waiting): void {
    const { from, content } = item.entry.row;
    const key = toHex(from);
    const sender = this.#senders.get(key);
    if (sender === undefined || !sender.items.delete(item)) return;
    sender.bytes -= content.length;
    this.#messages -= 1;
    this.#bytes -= content.length;
    if (sender.items.size === 0 && sender.stagedMessages === 0) this.#senders.delete(key);
    this.#onRoom();
  }

  /** The message with this key, if it waits or runs. */
  find(from: Uint8Array, test: (entry: InboxEntry) => boolean): Waiting | null {
    for (const item of this.#senders.get(toHex(from))?.items ?? []) {
      if (test(item.entry)) return item;
    }
    return null;
  }

  /** Nothing of this source is missing up to `mark`. */
  advance(from: Uint8Array, source: string, mark: number): void {
    for (const item of this.#senders.get(toHex(from))?.items ?? []) {
      const { position } = item.entry;
      if (item.attempts === 0 && position.source === source && position.number <= mark)
        item.dueMs = 0;
    }
  }

  /** Handlers have it now; one of requests gives it a place. */
  begin(item: Waiting, isOrdered: boolean, places: Places | null): void {
    item.places = places;
    places?.begin(item.entry.sender);
    item.controller = new AbortController();
    item.late ??= this.#order.begins(item.entry.position);
    item.isInTurn = isOrdered;
    if (isOrdered) this.#inTurn.add(item.entry.sender);
  }

  /** They have it no more. */
  end(item: Waiting): void {
    item.controller = null;
    item.places?.end(item.entry.sender);
    item.places = null;
    item.isCounted = false;
    if (!item.isInTurn) return;
    item.isInTurn = false;
    this.#inTurn.delete(item.entry.sender);
  }

  /** Every message that handlers have. */
  *running(): Generator<Waiting> {
    for (const { items } of this.#senders.values()) {
      for (const item of items) if (item.controller !== null) yield item;
    }
  }

  /**
   * Whose turn it is: of the sender that has waited longest the first message that may run, or the
   * earliest of its source. Of what is ordered no sender has two at once, whatever identities it
   * had meanwhile.
   */
  next(choice: Choice): Waiting | null {
    for (const [key, sender] of this.#senders) {
      const item = this.#earliest(sender, choice);
      if (item === null) continue;
      this.#senders.delete(key);
      this.#senders.set(key, sender);
      return item;
    }
    return null;
  }

  /**
   * When the next one is due of those that wait and are no sender's second; Infinity if none is.
   */
  nextDueMs({ isOrdered, mayRun }: Choice): number {
    let atMs = Infinity;
    for (const { items } of this.#senders.values()) {
      for (const item of items) {
        if (item.controller !== null || !mayRun(item)) continue;
        if (!this.#inTurn.has(item.entry.sender) || !isOrdered(item))
          atMs = Math.min(atMs, item.dueMs);
      }
    }
    return atMs;
  }

  #of(key: string): Sender {
    const known = this.#senders.get(key);
    if (known !== undefined) return known;
    const staged = { stagedMessages: 0, stagedBytes: 0 };
    const sender = { items: new Set<Waiting>(), bytes: 0, ...staged, putOffUntilMs: 0 };
    this.#senders.set(key, sender);
    return sender;
  }

  #earliest({ items }: Sender, { isOrdered, mayRun }: Choice): Waiting | null {
    let found: Waiting | null = null;
    for (const item of items) {
      if (item.controller !== null || !mayRun(item)) continue;
      if (this.#inTurn.has(item.entry.sender) && isOrdered(item)) continue;
      const { position } = item.entry;
      const first = found?.entry.position ?? null;
      const isOfIt = first === null || position.source === first.source;
      if (first === null || (isOfIt && isSaidBefore(position, first))) found = item;
    }
    return found;
  }
}
