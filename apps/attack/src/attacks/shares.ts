/**
 * Attacks on what others get of a hub. Owns the attacker's moves and, beside each, what an honest
 * pair still exchanged; what is judged is counted, times are for information.
 */
import { equalBytes } from '@agentmesh/protocol';
import type { Attack, Seen } from '../attack.js';
import { besideCrowd } from '../beside.js';
import { ratioOf } from '../honest-pair.js';
import type { Scene } from '../scene.js';
import { Courier } from '../wire/courier.js';
import { Intruder } from '../wire/intruder.js';

const CROWD = 50;
/** Messages that the honest pair exchanges, before the attack and during it. */
const HONEST = 20;
/** Answers that a connection may get before it has authenticated. */
const PRE_AUTH_ANSWERS = 20;

/** Fifty agents, as many as a small team has. */
const AGENTS = 50;

async function pings(scene: Scene): Promise<Seen> {
  const target = await scene.hub();
  const crowd = await scene.crowd(AGENTS / 10);
  const { isWhole, attacker, figures } = await besideCrowd(crowd, {
    move: 'pings',
    target,
    crowd: CROWD,
  });
  const { closes, most, answered } = attacker;
  return {
    held: isWhole && most <= PRE_AUTH_ANSWERS && closes > 0,
    seen: `${closes} connections were closed, each after at most ${most} answers`,
    figures: { 'attacker answered': answered, ...figures },
  };
}

async function flood(scene: Scene, move: 'window' | 'torrent'): Promise<Seen> {
  const target = await scene.hub();
  const crowd = await scene.crowd(AGENTS);
  const setup = { move, target, crowd: 1 } as const;
  const { isWhole, attacker, figures } = await besideCrowd(crowd, setup);
  const { sent, answered, closes } = attacker;
  return {
    held: isWhole,
    seen:
      `beside ${sent} envelopes, of which ${answered} were answered, and ${closes} closed ` +
      `connections, ${figures['honest delivered']} of ${figures['honest sent']} honest ones came`,
    figures: { 'attacker sent': sent, 'attacker answered': answered, ...figures },
  };
}

/** Pages of names that an agent may have at once, and in each second after that. */
const PAGES_AT_ONCE = 100;
const PAGES_PER_SECOND = 20;
/** The longest that all rounds take, on a machine that is busy. */
const ROUNDS_S = 120;

async function lists(scene: Scene): Promise<Seen> {
  const target = await scene.hub();
  const crowd = await scene.crowd(AGENTS);
  const { isWhole, attacker, figures } = await besideCrowd(crowd, {
    move: 'lists',
    target,
    crowd: 1,
  });
  const { sent, closes, answered } = attacker;
  return {
    held: isWhole && answered <= 3 * PAGES_AT_ONCE + ROUNDS_S * PAGES_PER_SECOND,
    seen: `of ${sent} questions ${answered} were answered, and ${closes} connections closed`,
    figures: { 'attacker sent': sent, 'attacker answered': answered, ...figures },
  };
}

/** Connections that begin something and never end it. */
async function silentCrowd(scene: Scene): Promise<Seen> {
  const beginnings = ['G', '{', '\u0016', ''];
  const sockets = await Promise.all(Array.from({ length: CROWD }, () => scene.socket()));
  for (const [at, socket] of sockets.entries()) {
    const text = beginnings[at % beginnings.length] ?? '';
    if (text !== '') socket.write(text, 'latin1');
  }
  const newcomer = await scene.intruder();
  const word = await newcomer.wire.wordFor({ type: 'ping' });
  return { held: word === 'pong', seen: `a newcomer of the same address: ${word}` };
}

/** More than one sender may leave in a queue. */
const MOST_LEFT = 3_000;
/** What a hub pushes to an agent that acknowledges nothing. */
const UNACKNOWLEDGED = 200;
/** Who has one message waits for a turn or two of each other sender. */
const TURNS = 8;

async function fullShare(scene: Scene): Promise<Seen> {
  const target = await scene.hub();
  const { name, keyPair, wire } = await scene.intruder({ target });
  wire.end();
  const { aid } = keyPair.identity;
  const filler = await Courier.at(target, scene.name());
  scene.endsWith(() => filler.end());
  const left = await filler.fill(aid, { most: MOST_LEFT, bytes: 64 });
  const honest = await Courier.at(target, scene.name());
  scene.endsWith(() => honest.end());
  await honest.fill(aid, { most: 1, bytes: 64 });
  const reader = await Intruder.at(target, name, keyPair);
  scene.endsWith(() => reader.end());
  let before = 0;
  for (; before < Math.min(left, UNACKNOWLEDGED); before++) {
    const { envelope } = await reader.wire.next('deliver');
    if (equalBytes(envelope.from, honest.aid)) break;
  }
  return {
    held: before <= TURNS,
    seen: `behind ${left} messages of one sender, that of another came after ${before} of them`,
    figures: { left, before },
  };
}

/** Bytes of a line that never ends: many times the largest frame. */
const ENDLESS = 64 * 2 ** 20;

async function giantFrame(scene: Scene): Promise<Seen> {
  const hub = await scene.ownHub();
  const pair = await scene.honest(hub.target);
  const before = hub.child.peakMebibytes() ?? 0;
  const socket = await scene.socket(hub.target);
  const piece = 'a'.repeat(2 ** 19);
  let sent = 0;
  for (; sent < ENDLESS && !socket.destroyed; sent += piece.length) {
    if (socket.write(piece)) continue;
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.once('drain', resolve).once('close', resolve);
    await promise;
  }
  const grownBy = (hub.child.peakMebibytes() ?? 0) - before;
  const { handled } = await pair.exchange(1);
  const figures = { 'MiB sent': Math.round(sent / 2 ** 20), 'MiB grown': grownBy };
  return {
    held: grownBy < 60 && handled === 1,
    seen: `the hub grew by ${grownBy} MiB, and an honest message arrived`,
    figures: { ...figures, 'honest handled': handled },
  };
}

/** Identities that come at most: several times what the disk would hold. */
const NAMES = 150;
/** Prekeys of each, which is what a hub keeps of one. */
const PREKEYS = 100;

async function fillDisk(scene: Scene): Promise<Seen> {
  const { target } = await scene.ownHub(['--max-disk', '12M']);
  const pair = await scene.honest(target);
  const before = await pair.exchange(HONEST);
  const words: string[] = [];
  for (let n = 0; n < NAMES && words.filter((word) => word !== 'ok').length < 5; n++) {
    const name = await scene.intruder({ target }).catch((error: unknown) => String(error));
    words.push(typeof name === 'string' ? 'not registered' : await name.publish(PREKEYS));
    if (typeof name !== 'string') name.end();
  }
  const refused = words.filter((word) => word !== 'ok').length;
  const after = await pair.exchange(HONEST);
  const figures = {
    'names with prekeys': words.length - refused,
    refused,
    'honest sent': after.sent,
    'honest handled': after.handled,
    'quiet median ms': before.medianMs,
    'attacked median ms': after.medianMs,
    'attacked ÷ quiet': ratioOf(after.medianMs, before.medianMs),
  };
  return {
    held: refused > 0 && after.handled === after.sent,
    seen: `after ${words.length - refused} names the hub refused more, and passed messages on`,
    figures,
  };
}

export const SHARE_ATTACKS: readonly Attack[] = [
  {
    name: 'pings-of-strangers',
    test: 'T-A22',
    against: 'hub',
    tries: `pings from ${CROWD} connections that never authenticate, and comes back when closed`,
    promised: 'a stranger gets few answers, and an honest pair every message',
    run: pings,
  },
  {
    name: 'flood-of-envelopes',
    test: 'T-A12',
    against: 'hub',
    tries: `keeps as many envelopes unanswered as a hub allows, beside ${AGENTS} honest agents`,
    promised: 'each of the others is served beside it as if it were one of them',
    isLong: true,
    run: (scene) => flood(scene, 'window'),
  },
  {
    name: 'torrent-of-envelopes',
    test: 'T-A67',
    against: 'hub',
    tries: 'sends envelopes without waiting for any answer, and comes back when it is closed',
    promised: 'each of the others is served beside it as if it were not there',
    isLong: true,
    run: (scene) => flood(scene, 'torrent'),
  },
  {
    name: 'list-flood',
    test: 'T-A76',
    against: 'hub',
    tries: `asks for all names as fast as it can, beside ${AGENTS} honest agents`,
    promised: 'an agent gets so many names in a second, and the others are served beside it',
    isLong: true,
    run: lists,
  },
  {
    name: 'full-share',
    test: 'T-A72',
    against: 'hub',
    tries: 'leaves as much in the queue of an agent that is away as one sender may',
    promised: 'who writes after it waits for a turn, not for all that it left',
    run: fullShare,
  },
  {
    name: 'silent-crowd',
    test: 'T-A21',
    against: 'hub',
    tries: `begins a request, a frame or a handshake on ${CROWD} connections and ends none`,
    promised: 'nobody of the same address is kept out',
    isLong: true,
    run: silentCrowd,
  },
  {
    name: 'disk-filled-by-names',
    test: 'T-A25',
    against: 'hub',
    tries: `registers up to ${NAMES} names with ${PREKEYS} prekeys each at a hub with 12 MiB`,
    promised: 'names that nobody uses leave room for messages',
    isLong: true,
    needsOwnHub: true,
    run: fillDisk,
  },
  {
    name: 'giant-frame',
    test: 'T-A16',
    against: 'hub',
    tries: 'sends one line of 64 MiB that has no end',
    promised: 'a frame without end costs bounded memory',
    needsOwnHub: true,
    run: giantFrame,
  },
];
