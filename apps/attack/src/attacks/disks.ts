/**
 * Attacks on what is written and kept: rows of an agent that a peer makes large, and the queue of
 * an agent that is away. Owns the attackers' moves.
 */
import { CONTENT_KIND } from '@agentmesh/crypto';
import type { Attack, Seen } from '../attack.js';
import type { Victim } from '../sandbox/victim.js';
import type { Scene } from '../scene.js';
import { victimAndPeer } from '../victim-and-peer.js';
import { Courier } from '../wire/courier.js';
import type { Intruder } from '../wire/intruder.js';

/** Holes make the row of a peer large, messages that are passed over that of its session. */
const HOLES = 3_000;
const SKIPPED = 1_900;
const MEASURED = 50;
/** Of 32 KiB at most, what the log of the database writes beside them. */
const MOST_KIBIBYTES = 128;

async function amplifiedWrites(scene: Scene): Promise<Seen> {
  const { victim, peer } = await victimAndPeer(scene);
  await peer.post(peer.seal('first'));
  await victim.until(() => victim.said('message').length === 1);
  // Nudges: no handler sees them, and nobody waits for what is missing before them.
  const nudge = (convSeq: number): Uint8Array =>
    peer.seal('', { kind: CONTENT_KIND.nudge, body: new Uint8Array(), convSeq });
  const ordinary = await kibibytesEach(victim, peer, (n) => nudge(2 + n));
  const base = 1_000;
  for (let n = 0; n < HOLES; n++) await peer.post(nudge(base + 2 * n));
  const holes = await kibibytesEach(victim, peer, (n) => nudge(base + 2 * (HOLES + n)));
  for (let n = 0; n < SKIPPED; n++) nudge(1);
  const keys = await kibibytesEach(victim, peer, (n) => nudge(base + 2 * (HOLES + MEASURED + n)));
  const most = Math.max(holes, keys);
  return {
    held: ordinary > 0 && most <= MOST_KIBIBYTES,
    seen: `a message wrote ${ordinary} KiB, and ${most} KiB behind ${HOLES} holes`,
    figures: {
      'ordinary KiB': ordinary,
      'KiB behind holes': holes,
      'KiB behind skipped keys': keys,
      'at most': MOST_KIBIBYTES,
    },
  };
}

/** What the agent writes for each of some messages, in KiB. */
async function kibibytesEach(
  victim: Victim,
  peer: Intruder,
  make: (n: number) => Uint8Array,
): Promise<number> {
  const before = (await settled(victim)).writtenBytes;
  for (let n = 0; n < MEASURED; n++) await peer.post(make(n));
  const after = (await settled(victim)).writtenBytes;
  return Math.round((after - before) / 1_024 / MEASURED);
}

/** The victim's state once it writes nothing more. */
async function settled(victim: Victim): Promise<{ readonly writtenBytes: number }> {
  let state = await victim.state();
  for (let calm = 0; calm < 3;) {
    await victim.until(() => false, 200);
    const next = await victim.state();
    calm = next.writtenBytes - state.writtenBytes < 1_024 ? calm + 1 : 0;
    state = next;
  }
  return state;
}

const STRANGERS = 12;
const MOST_FILLING = 3_000;
const FRIENDLY = 50;

async function strangersQueue(scene: Scene): Promise<Seen> {
  const target = await scene.hub();
  const [absent, friend] = [await scene.intruder(), await scene.intruder()];
  await absent.publish();
  await friend.publish();
  const { aid } = absent.keyPair.identity;
  await absent.post(new Uint8Array(16), friend.keyPair.identity.aid);
  absent.end();
  let taken = 0;
  for (let n = 0; n < STRANGERS; n++) {
    const stranger = await Courier.at(target, scene.name());
    taken += await stranger.fill(aid, { most: MOST_FILLING, bytes: 1 });
    stranger.end();
  }
  const words: string[] = [];
  for (let n = 0; n < FRIENDLY; n++) words.push(await friend.post(new Uint8Array(16), aid));
  const newcomer = await scene.intruder();
  const word = await newcomer.post(new Uint8Array(16), aid);
  const came = words.filter((one) => one === 'sent').length;
  return {
    held: taken < STRANGERS * MOST_FILLING && came === FRIENDLY && word === 'sent',
    seen:
      `${STRANGERS} strangers got in ${taken} envelopes; then a peer got in ${came} of ` +
      `${FRIENDLY}, and the next stranger: ${word}`,
    figures: { 'strangers sent': taken, 'honest sent': FRIENDLY, 'honest taken': came },
  };
}

export const DISK_ATTACKS: readonly Attack[] = [
  {
    name: 'amplified-writes',
    test: 'T-A60',
    against: 'agent',
    tries: `leaves ${HOLES} holes among its numbers and passes over ${SKIPPED} messages`,
    promised: 'each of its messages makes the agent write a few kilobytes',
    isLong: true,
    run: amplifiedWrites,
  },
  {
    name: 'queue-closed-by-strangers',
    test: 'T-A24',
    against: 'hub',
    tries: `fills the queue of an agent that is away with ${STRANGERS} identities`,
    promised: 'its peers, and the next stranger, still get in',
    isLong: true,
    run: strangersQueue,
  },
];
