/**
 * Attacks of peers and strangers on the time of an agent, beside an honest one that writes to it
 * meanwhile. Owns the attackers' moves; what is judged is counted, times are for information.
 */
import { CONTENT_KIND, encodeRetry } from '@agentmesh/crypto';
import { CannotTry } from '../attack.js';
import type { Attack, Seen } from '../attack.js';
import type { Scene } from '../scene.js';
import { victimAndPeer } from '../victim-and-peer.js';
import { figuresOf, HonestPeer } from '../honest-peer.js';
import { Intruder } from '../wire/intruder.js';

/** Messages that are passed over in one jump; a peer may have 4,000 at once and 200 a second. */
const JUMP = 1_900;
const JUMPS = 4;
const AT_ONCE = 4_000;
const PER_SECOND = 200;

async function jump(scene: Scene): Promise<Seen> {
  const { target } = await scene.ownHub();
  const victim = scene.victim({ target });
  if (!(await victim.isReady())) throw new CannotTry('the agent did not start');
  const honest = await HonestPeer.of(victim, await scene.intruder({ target }));
  const peer = await scene.intruder({ target });
  await peer.publish();
  await peer.begin(victim.name);
  await peer.post(peer.seal('first'));
  const heard = () => victim.said('message').filter(({ from }) => from === peer.name).length;
  await victim.until(() => heard() === 1);
  const quiet = await honest.exchange();
  const jumps: Uint8Array[] = [];
  for (let n = 0; n < JUMPS; n++) {
    for (let skipped = 0; skipped < JUMP; skipped++) peer.seal('never sent');
    jumps.push(peer.seal(`jump ${n}`));
  }
  const beganMs = performance.now();
  for (const message of jumps) await peer.post(message);
  const attacked = await honest.exchange();
  // What is missing before them holds them up a little.
  await victim.until(() => heard() > 1);
  const seconds = (performance.now() - beganMs) / 1_000;
  const opened = heard() - 1;
  const allowed = Math.ceil((AT_ONCE + PER_SECOND * seconds) / JUMP);
  return {
    held: opened > 0 && opened <= allowed && attacked.handled === attacked.sent,
    seen:
      `of ${JUMPS} jumps over ${JUMP} messages ${opened} were handled, ` +
      `and ${attacked.handled} of ${attacked.sent} honest messages`,
    figures: {
      'jumps handled': opened,
      'jumps allowed': allowed,
      ...figuresOf(quiet, attacked),
    },
  };
}

const REPLIES = 20;
const REQUESTS = 30;

/** A peer asks for the same replies again and again: it has each once, then ever more rarely. */
async function askAgain(scene: Scene): Promise<Seen> {
  const { victim, peer } = await victimAndPeer(scene, { handler: 'reply' });
  const delivered = (): number => peer.wire.count('deliver');
  for (let n = 0; n < REPLIES; n++) await peer.post(peer.seal(`${n}`));
  if (!(await victim.until(() => delivered() >= REPLIES))) throw new CannotTry('no replies came');
  const [beganMs, before] = [performance.now(), delivered()];
  const body = encodeRetry([{ from: 1, to: 1_000 }]);
  for (let n = 0; n < REQUESTS; n++) {
    await peer.post(peer.seal('', { kind: CONTENT_KIND.retry, body }));
  }
  await peer.post(peer.seal('last'));
  await victim.until(() => victim.said('message').some(({ text }) => text === 'last'));
  const isAnswered = await victim.until(() => delivered() > before + REPLIES);
  const seconds = (performance.now() - beganMs) / 1_000;
  // Each content at once, then after 1, 2, 4 … seconds; some contents are the agent's own.
  const times = 1 + Math.ceil(Math.log2(seconds + 1));
  const kept = 4 * REPLIES;
  const again = delivered() - before;
  return {
    held: isAnswered && again <= kept * times,
    seen: `${REQUESTS} requests brought ${again} messages in ${seconds.toFixed(0)} s`,
    figures: { requests: REQUESTS, 'messages brought': again, 'at most': kept * times },
  };
}

const CROWD = 250;
const BAD = 5;

async function garbageCrowd(scene: Scene): Promise<Seen> {
  const { target } = await scene.ownHub();
  const victim = scene.victim({ target });
  if (!(await victim.isReady())) throw new CannotTry('the agent did not start');
  let sent = 0;
  for (let n = 0; n < CROWD; n++) {
    const stranger = await Intruder.at(target, scene.name());
    await stranger.begin(victim.name);
    for (let bad = 0; bad < BAD; bad++) {
      const message = stranger.seal('garbage');
      const word = await stranger.post(
        message.map((byte, at) => (at === message.length - 1 ? byte ^ 1 : byte)),
      );
      if (word === 'sent') sent += 1;
    }
    stranger.end();
  }
  const newcomer = await scene.intruder({ target });
  await newcomer.publish();
  await newcomer.begin(victim.name);
  const beganMs = performance.now();
  await newcomer.post(newcomer.seal('may I?'));
  const isHeard = await victim.until(() => victim.said('message').length > 0);
  const waitedMs = Math.round(performance.now() - beganMs);
  const texts = victim.said('message').map(({ text }) => text);
  return {
    held: isHeard && texts.join() === 'may I?',
    seen: `behind ${sent} bad beginnings of ${CROWD} identities the newcomer was heard: ${isHeard}`,
    figures: { 'bad beginnings': sent, 'newcomers heard': texts.length, 'waited ms': waitedMs },
  };
}

export const COST_ATTACKS: readonly Attack[] = [
  {
    name: 'ratchet-jumps',
    test: 'T-R12',
    against: 'agent',
    tries: `passes over ${JUMP} messages ${JUMPS} times, so that each costs a derivation`,
    promised: 'the steps that a peer may cost are bounded, and others wait for none of them',
    isLong: true,
    run: jump,
  },
  {
    name: 'amplified-retries',
    test: 'T-A57',
    against: 'agent',
    tries: `asks ${REQUESTS} times for ${REPLIES} replies that it has`,
    promised: 'small requests make an agent send the same ever more rarely',
    run: askAgain,
  },
  {
    name: 'garbage-crowd',
    test: 'T-A55',
    against: 'agent',
    tries: `begins badly ${BAD} times with each of ${CROWD} identities`,
    promised: 'a newcomer is heard behind them',
    isLong: true,
    run: garbageCrowd,
  },
];
