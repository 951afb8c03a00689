/**
 * Messages that every attempt of the handlers failed on, set aside for whoever looks into them
 * (protocol.md §2.11 P3). Owns their rows and what can be done with one: look, try again, drop.
 * It works on any open store, be its agent running or not; running handlers is `dispatcher`'s.
 */
import { decodeContent, toHex } from '@agentmesh/crypto';
import { AgentError } from '../ground/errors.js';
import { decodeInboxRow, encodeInboxRow } from '../message/inbox.js';
import type { InboxRow } from '../message/inbox.js';
import { Message } from '../message/message.js';
import { rowsUnder } from '../store/row-pages.js';
import type { AgentStore } from '../store/store.js';

/** A message that was set aside. */
export interface DeadLetter extends Pick<
  Message,
  | 'id'
  | 'sender'
  | 'recipient'
  | 'address'
  | 'fingerprint'
  | 'trust'
  | 'payload'
  | 'type'
  | 'text'
  | 'timestamp'
  | 'replyTo'
> {
  /** How often the handlers have failed on it. */
  readonly attempts: number;
}

interface Found {
  readonly key: string;
  readonly row: InboxRow;
}

/** All dead letters of a store, in the order in which they were set aside. */
export async function deadLettersIn(store: AgentStore): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  for await (const { value } of rowsUnder(store, 'dead')) letters.push(letterOf(value));
  return letters;
}

/**
 * Moves a dead letter into the inbox with one commit, its attempts counted anew, and returns its
 * row there. Rejects with NO_DEAD_LETTER.
 */
export async function revive(store: AgentStore, id: string, inboxKey: string): Promise<InboxRow> {
  const { key, row } = await find(store, id);
  const again = { ...row, attempts: 0 };
  await store.commit([{ delete: key }, { put: inboxKey, value: encodeInboxRow(again) }]);
  return again;
}

/** Forgets a dead letter. Rejects with NO_DEAD_LETTER. */
export async function drop(store: AgentStore, id: string): Promise<void> {
  const { key } = await find(store, id);
  await store.commit([{ delete: key }]);
}

async function find(store: AgentStore, id: string): Promise<Found> {
  for await (const { key, value } of rowsUnder(store, 'dead')) {
    const row = decodeInboxRow(value);
    if (toHex(decodeContent(row.content).msgId) === id) return { key, row };
  }
  throw new AgentError('NO_DEAD_LETTER');
}

function letterOf(value: Uint8Array): DeadLetter {
  const row = decodeInboxRow(value);
  const message = new Message(row, { redelivered: true }, () =>
    Promise.reject(new AgentError('CLOSED')),
  );
  const { id, sender, recipient, address, fingerprint, trust, payload, type, text } = message;
  const { timestamp, replyTo } = message;
  const known = { id, sender, recipient, address, fingerprint, trust, payload, type, text };
  return { ...known, timestamp, replyTo, attempts: row.attempts };
}
