// What a process of the crash tests writes down before it may die: every use of a message key (P7),
// every row of its inbox, every message that it sent or handled. A line is in the file when the
// call returns: a killed process loses none.
import { createHash } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseMessage } from '@agentmesh/crypto';
import { decodeInboxRow } from '../../../agent/dist/message/inbox.js';
import { decodeOutboxRow } from '../../../agent/dist/sending/outbox.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');

/** One agent's notebook over all its lives. */
export function openLedger(folder, name) {
  const file = openSync(join(folder, `${name}.log`), 'a');
  const note = (what, fields) => writeSync(file, `${JSON.stringify({ what, ...fields })}\n`);
  return {
    /** Something the application did or was told: `begun`, `accepted`, `handled`, `alarm`. */
    note,
    /** A finished message, before its outbox row is committed. */
    sealed: (outboxRow) => note('sealed', usesOf(decodeOutboxRow(outboxRow).blob)),
    /** A finished message, before it is given to the hub. */
    sent: (blob) => note('sent', usesOf(blob)),
    /** A message that is in the inbox. */
    received(key, inboxRow) {
      const { content } = decodeInboxRow(inboxRow);
      note('inbox', { key, id: hex(content.subarray(2, 18)) });
    },
  };
}

function usesOf(wire) {
  const { sid, ratchetKey, number, salt } = parseMessage(wire);
  const bytes = createHash('sha256').update(wire).digest('hex');
  return { place: `${hex(sid)}/${hex(ratchetKey)}/${number}`, salt: hex(salt), bytes };
}
