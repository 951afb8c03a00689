/**
 * The ceiling: a relay that reads and writes the frames of a hub, answers each and passes it on,
 * and does nothing else; it stores nothing, authenticates nobody and checks nothing. Arguments:
 * folder (not used), port.
 */
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import process from 'node:process';

import { TextLines } from '../brokers/text-lines.js';

type Frame =
  | { type: 'join'; name: string }
  | { type: 'send'; id: number; envelope: { id: string; to: string; blob: string } }
  | { type: 'ack' | 'credit' };

interface Line {
  readonly socket: Socket;
  name: string;
  seq: number;
  pending: string[];
}

const members = new Map<string, Line>();

/** One write per turn of the loop. */
function push(line: Line, text: string): void {
  if (line.pending.length === 0) {
    setImmediate(() => {
      line.socket.write(line.pending.join(''), 'latin1');
      line.pending = [];
    });
  }
  line.pending.push(text);
}

function take(line: Line, frame: Frame): void {
  if (frame.type === 'join') {
    line.name = frame.name;
    members.set(frame.name, line);
  }
  if (frame.type !== 'send') return;
  const { id, to, blob } = frame.envelope;
  const receiver = members.get(to);
  if (receiver === undefined) return;
  receiver.seq += 1;
  push(line, `{"type":"sent","re":${frame.id},"seq":${receiver.seq},"duplicate":false}\n`);
  const envelope = { v: 2, id, from: line.name, to, ts: 0, blob };
  const deliver = { type: 'deliver', seq: receiver.seq, attempt: 1, envelope };
  push(receiver, `${JSON.stringify(deliver)}\n`);
}

createServer((socket) => {
  const line: Line = { socket, name: '', seq: 0, pending: [] };
  const lines = new TextLines((text) => take(line, JSON.parse(text) as Frame));
  socket.setNoDelay(true);
  socket.on('data', (bytes: Buffer) => lines.feed(bytes));
  socket.on('error', () => socket.destroy());
}).listen(Number(process.argv[3]), '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
