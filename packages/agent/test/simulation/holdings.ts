/**
 * What one store is known to hold, seen from outside: learnt from each commit as it becomes
 * durable, and copied with the store. Owns the reading of rows for the oracle; judges nothing.
 */
import { createHash } from 'node:crypto';
import { CONTENT_KIND, decodeContent, toHex } from '@agentmesh/crypto';
import type { Content } from '@agentmesh/crypto';
import { decodePayload } from '@agentmesh/protocol';
import { decodeInboxRow } from '../../src/message/inbox.js';
import { decodeMeta } from '../../src/self/meta.js';
import { decodeOutboxRow } from '../../src/sending/outbox.js';
import { RowReader } from '../../src/store/row-codec.js';
import { decodeSentRow } from '../../src/conversation/sent-log.js';
import { ROW } from '../../src/store/row-keys.js';
import type { StoreOperation } from '../../src/store/store.js';
import { CallHoldings } from './call-holdings.js';

/** A message of an application that a commit put into an inbox. */
export interface Arrival {
  readonly text: string;
  readonly from: Uint8Array;
  readonly content: Content;
  /** Whether this very store had it before. */
  readonly again: boolean;
}

/** A finished message that a commit put into an outbox. */
export interface Sealed {
  readonly envelopeId: string;
  /** Null for what agents say on their own. */
  readonly text: string | null;
  readonly number: number;
}

/** A message of an application that a commit put among the contents that are kept. */
export interface Kept {
  /** In hex. */
  readonly id: string;
  readonly text: string;
}

/** What a commit showed. */
export interface Learnt {
  readonly kept: readonly Kept[];
  readonly arrivals: readonly Arrival[];
  readonly sealed: readonly Sealed[];
  /** What is wrong with the commit itself. */
  readonly faults: readonly string[];
}

export class Holdings {
  /** Texts that were ever in the inbox. */
  readonly received: Set<string>;
  /** Envelopes whose refusal was written down, in hex. */
  readonly refused: Set<string>;
  /** Finished messages, by hash. */
  readonly sealed: Set<string>;
  /** Peers' rows, by aid in hex. */
  readonly peers: Map<string, Uint8Array>;
  /** The store's epoch: sessions of earlier ones only receive. */
  epoch: number;
  readonly calls: CallHoldings;
  readonly #inboxKeys: Set<string>;
  /** By key of their rows: null for what agents say on their own. */
  readonly #sent: Map<string, string | null>;

  constructor(other?: Holdings) {
    this.received = new Set(other?.received);
    this.refused = new Set(other?.refused);
    this.sealed = new Set(other?.sealed);
    this.peers = new Map(other?.peers);
    this.epoch = other?.epoch ?? 0;
    this.calls = new CallHoldings(other?.calls);
    this.#inboxKeys = new Set(other === undefined ? [] : other.#inboxKeys);
    this.#sent = new Map(other === undefined ? [] : other.#sent);
  }

  /** Takes one durable commit in. */
  learn(operations: readonly StoreOperation[]): Learnt {
    const arrivals: Arrival[] = [];
    const kept: Kept[] = [];
    const outgoing: Uint8Array[] = [];
    for (const operation of operations) {
      if ('delete' in operation) {
        this.#inboxKeys.delete(operation.delete);
        continue;
      }
      const { put: key, value } = operation;
      if (key.startsWith('inbox/')) arrivals.push(...this.#inboxRow(key, value));
      else if (key.startsWith('peer/')) this.peers.set(key.slice('peer/'.length), value);
      else if (key === ROW.meta) this.epoch = decodeMeta(value).epoch;
      else if (key.startsWith('sent/')) kept.push(...this.#sentRow(key, value));
      else if (key.startsWith('security/')) this.#securityRow(value);
      else if (key.startsWith('outbox/')) outgoing.push(value);
    }
    const faults = this.calls.learn(operations);
    return { kept, arrivals, sealed: outgoing.flatMap((row) => this.#outboxRow(row)), faults };
  }

  /** Messages that wait for a handler. */
  get unhandled(): number {
    return this.#inboxKeys.size;
  }

  holdsSealed(blob: Uint8Array): boolean {
    return this.sealed.has(hashOf(blob));
  }

  /** A row that is written again counts one more run of the handlers, not one more message. */
  #inboxRow(key: string, value: Uint8Array): Arrival[] {
    if (this.#inboxKeys.has(key)) return [];
    this.#inboxKeys.add(key);
    const { from, content: bytes } = decodeInboxRow(value);
    const content = decodeContent(bytes);
    const text = textOf(content);
    // A request: `calls` judges it.
    if (text === null) return [];
    const again = this.received.has(text);
    this.received.add(text);
    return [{ text, from, content, again }];
  }

  #sentRow(key: string, value: Uint8Array): Kept[] {
    const content = decodeContent(decodeSentRow(value).content);
    const text = textOf(content);
    this.#sent.set(key, text);
    return text === null ? [] : [{ id: toHex(content.msgId), text }];
  }

  #securityRow(value: Uint8Array): void {
    const row = new RowReader(value, 'security');
    row.u8();
    row.u64();
    row.text();
    row.fixed(32);
    const envelopeId = row.optional(16);
    if (envelopeId !== null) this.refused.add(toHex(envelopeId));
  }

  /** What was taken back is not sealed any more. */
  #outboxRow(value: Uint8Array): Sealed[] {
    const { to, epoch, number, envelopeId, form, blob } = decodeOutboxRow(value);
    if (form === 'takenBack') return [];
    this.sealed.add(hashOf(blob));
    const text = this.#sent.get(ROW.sent(to, epoch, number)) ?? null;
    return [{ envelopeId: toHex(envelopeId), text, number }];
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64');
}

/** What the application wrote; null for other kinds. */
function textOf(content: Content): string | null {
  if (content.kind !== CONTENT_KIND.application) return null;
  const { text } = decodePayload(content.body);
  return typeof text === 'string' ? text : null;
}
