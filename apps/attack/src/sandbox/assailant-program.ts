/**
 * The program of an attacker who sends as much as it can: in a process of its own, so that whoever
 * is measured beside it does not share its time. Owns the attackers' moves; it tells each second
 * what it counted.
 */
import { constants, getPriority, setPriority } from 'node:os';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { ready } from '@agentmesh/crypto';
import { systemRandom, toHex } from '@agentmesh/protocol';
import type { Target } from '../target.js';
import { Courier } from '../wire/courier.js';
import { dial } from '../wire/wire.js';

/** How it is started. */
export interface AssailantSetup {
  /** `pings`: unauthenticated. `window`: as many envelopes as a hub allows. `torrent`: more. */
  readonly move: 'pings' | 'window' | 'torrent';
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

const PINGS = Buffer.from('{"type":"ping","id":1}\n'.repeat(2_800));
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

/** Pings as fast as the socket takes them, and comes back when it is thrown out. */
async function pinger(target: Target): Promise<never> {
  for (;;) {
    const socket = await dial(target).catch(() => null);
    if (socket !== null) {
      let answers = 0;
      socket.on('data', (bytes: Buffer) => {
        answers += bytes.toString('latin1').split('"pong"').length - 1;
      });
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.once('close', () => resolve());
      const write = (): void => {
        do tally.sent += 2_800;
        while (!socket.destroyed && socket.write(PINGS));
      };
      socket.on('drain', write);
      write();
      await promise;
      tally.answered += answers;
      tally.most = Math.max(tally.most, answers);
      tally.closes += 1;
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

const MOVES = { pings: pinger, window, torrent } as const;

const { move, target, crowd } = JSON.parse(process.argv[2] ?? '') as AssailantSetup;
// Its machine is another one: it takes no processor time of those whom it attacks.
setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + LESS));
await ready();
setInterval(() => process.stdout.write(`${JSON.stringify(tally)}\n`), 250);
await Promise.all(Array.from({ length: crowd }, () => MOVES[move](target)));
