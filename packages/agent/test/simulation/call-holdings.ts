/**
 * What one store holds of requests and streams, seen from outside: learnt from each commit as it
 * becomes durable, and copied with the store. Owns what must be true of the commits themselves: one
 * answer for each request, together with its removal, and one end for each call.
 */
import {
  CALL_FRAME,
  CONTENT_KIND,
  decodeCallFrames,
  decodeContent,
  toHex,
} from '@agentmesh/crypto';
import type { Content } from '@agentmesh/crypto';
import { decodePayload } from '@agentmesh/protocol';
import { decodeCallRow } from '../../src/calls/call-row.js';
import { decodeRead } from '../../src/calls/stream-rows.js';
import { readEnd } from '../../src/message/ask.js';
import { decodeInboxRow } from '../../src/message/inbox.js';
import { replyToOf } from '../../src/message/payload.js';
import { decodeSentRow } from '../../src/conversation/sent-log.js';
import type { StoreOperation } from '../../src/store/store.js';

/** Rows that belong to calls: none of them is left when every call was read to its end. */
const PREFIXES = ['call/', 'part/', 'produced/', 'step/'];

export class CallHoldings {
  /** By id of a request of another agent: the message that answers it. */
  readonly answers: Map<string, string>;
  /** By id of a request of its own: how it ended, for comparison. */
  readonly ends: Map<string, string>;
  /** Results of steps, by key of their rows. */
  readonly steps: Map<string, string>;
  /** By id: which of the workload's requests it is. */
  readonly asked: Map<string, number>;
  /** By id of a stream: how many of its items this store knows as read. */
  readonly read: Map<string, number>;
  /** Keys of rows that are there now. */
  readonly rows: Set<string>;
  /** Of the inbox: ids of messages by key, and all that were ever there. */
  readonly #inbox: Map<string, string>;
  readonly #taken: Set<string>;

  constructor(other?: CallHoldings) {
    this.answers = new Map(other?.answers);
    this.ends = new Map(other?.ends);
    this.steps = new Map(other?.steps);
    this.asked = new Map(other?.asked);
    this.read = new Map(other?.read);
    this.rows = new Set(other?.rows);
    this.#inbox = new Map(other === undefined ? [] : other.#inbox);
    this.#taken = new Set(other === undefined ? [] : other.#taken);
  }

  /** Ids of its own calls whose rows are there, streams among them. */
  get open(): readonly string[] {
    const keys = [...this.rows].filter((key) => key.startsWith('call/'));
    return keys.map((key) => key.slice('call/'.length));
  }

  /** Takes one durable commit in; returns what is wrong with it. */
  learn(operations: readonly StoreOperation[]): string[] {
    const faults: string[] = [];
    const removed = new Set<string>();
    for (const operation of operations) {
      if (!('delete' in operation)) continue;
      const { delete: key } = operation;
      this.rows.delete(key);
      const id = this.#inbox.get(key);
      if (id !== undefined) removed.add(id);
      this.#inbox.delete(key);
    }
    for (const operation of operations) {
      if ('put' in operation) this.#put(operation.put, operation.value, { removed, faults });
    }
    return faults;
  }

  #put(key: string, value: Uint8Array, commit: Commit): void {
    if (PREFIXES.some((prefix) => key.startsWith(prefix))) this.rows.add(key);
    if (key.startsWith('inbox/')) this.#inboxRow(key, value, commit);
    else if (key.startsWith('sent/')) this.#sentRow(value, commit);
    else if (key.startsWith('call/')) this.#callRow(key.slice('call/'.length), value, commit);
    else if (key.startsWith('part/')) this.#partRow(key, value);
    else if (key.startsWith('step/')) this.#stepRow(key, value, commit);
  }

  #partRow(key: string, value: Uint8Array): void {
    const [, id = '', what] = key.split('/');
    if (what === 'read') this.read.set(id, decodeRead(value).items);
  }

  #inboxRow(key: string, value: Uint8Array, { faults }: Commit): void {
    if (this.#inbox.has(key)) return;
    const { msgId, kind, body } = decodeContent(decodeInboxRow(value).content);
    const id = toHex(msgId);
    this.#inbox.set(key, id);
    if (kind === CONTENT_KIND.application && readEnd(decodePayload(body)) !== null) {
      faults.push(`the answer ${id} is a message for handlers`);
    }
    if (numberOf(body) === null) return;
    if (this.#taken.has(id)) faults.push(`the request ${id} was taken twice`);
    this.#taken.add(id);
  }

  #sentRow(value: Uint8Array, { removed, faults }: Commit): void {
    const content = decodeContent(decodeSentRow(value).content);
    const message = toHex(content.msgId);
    if (content.kind === CONTENT_KIND.application) {
      const n = numberOf(content.body);
      if (n !== null) this.asked.set(message, n);
    }
    for (const id of answeredBy(content)) {
      const before = this.answers.get(id);
      if (before === message) continue;
      this.answers.set(id, message);
      if (before !== undefined) faults.push(`the request ${id} is answered twice`);
      if (!removed.has(id)) faults.push(`the request ${id} is answered, and stays`);
    }
  }

  #callRow(id: string, value: Uint8Array, { faults }: Commit): void {
    const { end } = decodeCallRow(value);
    const before = this.ends.get(id);
    if (end === null) {
      if (before !== undefined) faults.push(`the call ${id} is open again`);
      return;
    }
    const body = end.body === null ? '' : toHex(end.body);
    const now = `${end.code} ${end.message} ${body}`;
    if (before !== undefined && before !== now) faults.push(`the call ${id} ended twice`);
    this.ends.set(id, now);
  }

  #stepRow(key: string, value: Uint8Array, { faults }: Commit): void {
    const before = this.steps.get(key);
    if (before !== undefined) faults.push(`the step ${key} ran twice`);
    this.steps.set(key, toHex(value));
  }
}

interface Commit {
  /** Ids of messages that left the inbox. */
  readonly removed: ReadonlySet<string>;
  readonly faults: string[];
}

/** Requests that a message ends for its sender's peer. */
function answeredBy({ kind, body }: Content): readonly string[] {
  if (kind === CONTENT_KIND.callFrames) {
    const frames = decodeCallFrames(body);
    return frames.flatMap(({ what, callId }) => (what === CALL_FRAME.end ? [toHex(callId)] : []));
  }
  if (kind !== CONTENT_KIND.application) return [];
  const payload = decodePayload(body);
  const id = replyToOf(payload);
  return id === null || readEnd(payload) === null ? [] : [id];
}

/** Which request of the workload a body is; null for others. */
function numberOf(body: Uint8Array): number | null {
  const { n, asks } = decodePayload(body);
  return asks === true && typeof n === 'number' ? n : null;
}
