/**
 * The program of an attacker who sends as much as it can: in a process of its own, so that whoever
 * is measured beside it does not share its time. Owns the attackers' moves; it tells each second
 * what it counted.
 */
import type { Socket } from 'node:net';
import { constants, getPriority, setPriority } from 'node:os';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { AgentKeyPair, ready } from '@agentmesh/crypto';
import { systemRandom, toHex } from '@agentmesh/protocol';
import type { Target } from '../target.js';
import { Courier } from '../wire/courier.js';
import { Intruder } from '../wire/intruder.js';
import { dial } from '../wire/wire.js';

/** How it is started. */
export interface AssailantSetup {
  /**
   * `pings`: unauthenticated. `lists`: names, as an agent. `window`: as many envelopes as a hub
   * allows. `torrent`: more.
   */
  readonly move: 'pings' | 'lists' | 'window' | 'torrent';
  readonly target: Target;
  readonly crowd: number;
}

/** What it says. */
export interface AssailantWord {
  readonly sent: number;
  readonly answered: number;
  readonly most: number;
  readonly closes: number;
}

const LINES = 2_800;
const PINGS = Buffer.from('{"type":"ping","id":1}\n'.repeat(LINES));
const LISTS = Buffer.from('{"type":"list","id":1,"max":1000}\n'.repeat(LINES));
const COMES_BACK_MS = 300;
const BYTES = 256;
/** Unanswered envelopes: nearly all that a hub allows one connection. */
const WINDOW = 900;
/** Undelivered ones: below what one sender may leave in a queue. */
const BACKLOG = 2_000;
/** By how much its priority is below that of the others. */
const LESS = 10;

const tally = { sent: 0, answered: 0, most: 0, closes: 0 };
const name = (): string => `attack-${toHex(systemRandom(6))}`;

/** Says the same as fast as the socket takes it, until it is thrown out. */
async function pour(socket: Socket, lines: Buffer, answer: string): Promise<void> {
  let answers = 0;
  socket.on('data', (bytes: Buffer) => {
    answers += bytes.toString('latin1').split(answer).length - 1;
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once('close', () => resolve());
  const write = (): void => {
    do tally.sent += LINES;
    while (!socket.destroyed && socket.write(lines));
  };
  socket.on('drain', write);
  write();
  await promise;
  tally.answered += answers;
  tally.most = Math.max(tally.most, answers);
  tally.closes += 1;
}

/** Pings as a stranger, and comes back. */
async function pinger(target: Target): Promise<never> {
  for (;;) {
    const socket = await dial(target).catch(() => null);
    if (socket !== null) await pour(socket, PINGS, '"pong"');
    await pause(COMES_BACK_MS);
  }
}

/** Asks for all names as one agent, and comes back. */
async function lister(target: Target): Promise<never> {
  const keyPair = AgentKeyPair.generate();
  const own = name();
  for (;;) {
    const agent = await Intruder.at(target, own, keyPair).catch(() => null);
    if (agent !== null) {
      const { socket } = agent.wire;
      socket.removeAllListeners('data');
      await pour(socket, LISTS, '"type":"agents"');
    }
    await pause(COMES_BACK_MS);
  }
}

/** Keeps as many envelopes unanswered as the hub allows. */
async function window(target: Target): Promise<void> {
  const { from, to } = await Courier.pair(target, [name(), name()]);
  let [open, delivered] = [0, 0];
  const goOn = (): void => {
    while (open < WINDOW && tally.sent - delivered < BACKLOG) {
      from.send(to.aid, Buffer.alloc(BYTES));
      tally.sent += 1;
      open += 1;
    }
  };
  from.onAnswer = () => {
    open -= 1;
    tally.answered += 1;
    goOn();
  };
  to.onDelivery = () => {
    delivered += 1;
    goOn();
  };
  goOn();
}

/** Sends without ever waiting for an answer, and comes back when it is thrown out. */
async function torrent(target: Target): Promise<never> {
  const [own, other] = [name(), name()];
  const to = await Courier.at(target, other);
  for (let round = 0; ; round++) {
    const from = await Courier.at(target, `${own}-${round}`).catch(() => null);
    if (from === null) {
      await pause(COMES_BACK_MS);
      continue;
    }
    from.onAnswer = () => (tally.answered += 1);
    while (!from.isClosed) {
      if (!from.send(to.aid, Buffer.alloc(BYTES))) await from.drained();
      tally.sent += 1;
    }
    tally.closes += 1;
    await pause(COMES_BACK_MS);
  }
}

const MOVES = { pings: pinger, lists: lister, window, torrent } as const;

const { move, target, crowd } = JSON.parse(process.argv[2] ?? '') as AssailantSetup;
// Its machine is another one: it takes no processor time of those whom it attacks.
setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + LESS));
await ready();
setInterval(() => process.stdout.write(`${JSON.stringify(tally)}\n`), 250);
await Promise.all(Array.from({ length: crowd }, () => MOVES[move](target)));
