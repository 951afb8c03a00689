/**
 * Attacks of a peer on an agent, end to end (protocol.md §2.8): damaged, repeated and misaddressed
 * messages, and names of others. Owns the attacker's moves; the agent runs in a sandbox.
 */
import type { Attack, Seen } from '../attack.js';
import type { Scene } from '../scene.js';
import { victimAndPeer } from '../victim-and-peer.js';

const BITS = 64;

async function damage(scene: Scene): Promise<Seen> {
  const { victim, peer } = await victimAndPeer(scene);
  await peer.post(peer.seal('genuine 1'));
  await victim.until(() => victim.said('message').length > 0);
  const later = peer.seal('genuine 2');
  for (let n = 0; n < BITS; n++) {
    const at = Math.floor((n * later.length) / BITS);
    await peer.post(later.map((byte, index) => (index === at ? byte ^ (1 << (n % 8)) : byte)));
  }
  await peer.post(later);
  await peer.post(later);
  await victim.until(() => victim.said('message').length > 1);
  const texts = victim.said('message').map(({ text }) => text);
  const held = texts.join() === 'genuine 1,genuine 2';
  return {
    held,
    seen: `of ${BITS} damaged copies and a repeat the handler saw: ${texts.join(', ')}`,
    figures: { 'damaged sent': BITS, 'messages handled': texts.length },
  };
}

async function claimName(scene: Scene): Promise<Seen> {
  const { target, victim, peer } = await victimAndPeer(scene);
  const other = await scene.intruder({ target });
  await other.publish();
  await peer.post(peer.seal('I am another', { fromName: other.name }));
  await peer.post(peer.seal('not for you', { toName: other.name }));
  await peer.post(peer.seal('as myself'));
  await victim.until(() => victim.said('message').length > 0);
  const texts = victim.said('message').map(({ from, text }) => `${text} (from ${from})`);
  const held = texts.join() === `as myself (from ${peer.name})`;
  return { held, seen: `the handler saw: ${texts.join(', ')}` };
}

export const MESSAGE_ATTACKS: readonly Attack[] = [
  {
    name: 'damaged-messages',
    test: 'T-R2',
    against: 'agent',
    tries:
      'sends a message with one bit changed, over its whole length, then the genuine one twice',
    promised: 'a damaged message changes nothing, and none is handled twice',
    run: damage,
  },
  {
    name: 'claimed-name',
    test: 'T-K6b',
    against: 'agent',
    tries: 'writes under the name of another agent, and what is addressed to another',
    promised: 'nobody is believed to be somebody else',
    run: claimName,
  },
];
