/**
 * Attacks of peers on what others get of an agent: its handlers, its inbox, its outbox and its
 * credit. Owns the attackers' moves; beside each an honest peer writes to the same agent.
 */
import { CannotTry } from '../attack.js';
import type { Attack, Seen } from '../attack.js';
import { figuresOf, HonestPeer } from '../honest-peer.js';
import type { Victim } from '../sandbox/victim.js';
import type { VictimSetup } from '../sandbox/victim-program.js';
import type { Scene } from '../scene.js';
import type { Target } from '../target.js';
import { Courier } from '../wire/courier.js';
import type { Intruder } from '../wire/intruder.js';

interface Stage {
  readonly target: Target;
  readonly victim: Victim;
  readonly honest: HonestPeer;
}

async function stageOf(scene: Scene, handler: VictimSetup['handler']): Promise<Stage> {
  const { target } = await scene.ownHub();
  const victim = scene.victim({ target, handler });
  if (!(await victim.isReady())) throw new CannotTry('the agent did not start');
  const self = await scene.intruder({ target });
  const honest = await HonestPeer.of(victim, self, handler === 'reply');
  return { target, victim, honest };
}

/** Identities that fill the queue of one, and what each sends until it is refused. */
const FILLERS = 4;
const MOST_FILLING = 2_600;

/**
 * A peer of the victim whose queue others of the attacker have filled: nothing more can be said to
 * it. Its first messages to the fillers make them known to it, so that their share is large.
 */
async function withFullQueue(
  scene: Scene,
  { target, victim }: Stage,
  fillers: number,
): Promise<Intruder> {
  const peer = await scene.intruder({ target });
  await peer.publish();
  await peer.begin(victim.name);
  for (let n = 0; n < fillers; n++) {
    const filler = await Courier.at(target, scene.name());
    await peer.post(Buffer.alloc(16), filler.aid);
    await filler.fill(peer.keyPair.identity.aid, { most: MOST_FILLING, bytes: 1 });
    filler.end();
  }
  return peer;
}

async function fullQueue(scene: Scene): Promise<Seen> {
  const stage = await stageOf(scene, 'reply');
  const quiet = await stage.honest.exchange();
  const peer = await withFullQueue(scene, stage, FILLERS);
  await peer.post(peer.seal('now hang'));
  peer.end();
  const isHandled = await stage.victim.until(() =>
    stage.victim.said('message').some(({ text }) => text === 'now hang'),
  );
  const attacked = await stage.honest.exchange();
  const { inbox, outbox } = await stage.victim.state();
  return {
    held: isHandled && attacked.handled === attacked.sent && inbox === 0,
    seen:
      `the one message was handled: ${isHandled}, ${inbox} wait for a handler, ` +
      `${outbox} for room in the attacker's queue`,
    figures: { ...figuresOf(quiet, attacked), inbox, outbox },
  };
}

const UNREAD = 5;
/** So many leave little room for whoever has nothing in it. */
const MANY_FILLERS = 24;
/** Messages of each, and so replies that nobody reads. */
const EACH = 400;
const DRAIN_MS = 60_000;

async function unreadReplies(scene: Scene): Promise<Seen> {
  const stage = await stageOf(scene, 'reply');
  const quiet = await stage.honest.exchange();
  const peers: Intruder[] = [];
  for (let n = 0; n < UNREAD; n++) peers.push(await withFullQueue(scene, stage, MANY_FILLERS));
  await Promise.all(
    peers.map(async (peer) => {
      for (let n = 0; n < EACH; n++) await peer.post(peer.seal(`${n}`));
    }),
  );
  // Before that the honest wait for their turn in the hub's queue, which is no matter of replies.
  const answered = () =>
    stage.victim.said('message').filter(({ text }) => /^\d+$/.test(text)).length;
  await stage.victim.until(() => answered() === UNREAD * EACH, DRAIN_MS);
  const attacked = await stage.honest.exchange();
  const { outbox } = await stage.victim.state();
  return {
    held: outbox > 0 && attacked.handled === attacked.sent,
    seen: `${outbox} replies that nobody reads wait, and ${attacked.handled} honest ones came`,
    figures: { ...figuresOf(quiet, attacked), outbox },
  };
}

const HOLES = 300;

async function skippedNumbers(scene: Scene): Promise<Seen> {
  const stage = await stageOf(scene, 'count');
  const quiet = await stage.honest.exchange();
  const peer = await scene.intruder({ target: stage.target });
  await peer.publish();
  await peer.begin(stage.victim.name);
  for (let n = 1; n <= HOLES; n++) await peer.post(peer.seal(`${n}`, { convSeq: 2 * n }));
  const attacked = await stage.honest.exchange();
  return {
    held: attacked.handled === attacked.sent,
    seen: `behind ${HOLES} messages with a hole before each all honest ones were handled`,
    figures: figuresOf(quiet, attacked),
  };
}

const SLOW_MS = 50;
const BURST = 450;

async function burst(scene: Scene): Promise<Seen> {
  const stage = await stageOf(scene, { slowMs: SLOW_MS });
  const quiet = await stage.honest.exchange();
  const peer = await scene.intruder({ target: stage.target });
  await peer.publish();
  await peer.begin(stage.victim.name);
  for (let n = 1; n <= BURST; n++) await peer.post(peer.seal(`${n}`));
  const attacked = await stage.honest.exchange();
  const { inbox } = await stage.victim.state();
  return {
    held: attacked.handled === attacked.sent,
    seen: `while ${inbox} of ${BURST} messages waited for the handler the honest were next`,
    figures: { ...figuresOf(quiet, attacked), inbox },
  };
}

export const AGENT_SHARE_ATTACKS: readonly Attack[] = [
  {
    name: 'full-queue-of-the-attacker',
    test: 'T-A44',
    against: 'agent',
    tries: `fills its own queue with ${FILLERS} identities and writes one message to be answered`,
    promised: 'an answer waits for nobody, and neither do the handlers',
    isLong: true,
    run: fullQueue,
  },
  {
    name: 'unread-replies',
    test: 'T-A45',
    against: 'agent',
    tries: `has ${EACH} messages of each of ${UNREAD} identities answered, and reads no answer`,
    promised: 'the outbox always has room for whoever has nothing in it',
    isLong: true,
    run: unreadReplies,
  },
  {
    name: 'skipped-numbers',
    test: 'T-A46',
    against: 'agent',
    tries: `sends ${HOLES} messages with a missing one before each`,
    promised: 'messages that wait for missing ones hold nobody else up',
    run: skippedNumbers,
  },
  {
    name: 'burst-before-a-slow-handler',
    test: 'T-A47',
    against: 'agent',
    tries: `sends ${BURST} messages to a handler that takes ${SLOW_MS} ms for each`,
    promised: 'the next sender waits for none of them but the one that the handler has',
    run: burst,
  },
];
