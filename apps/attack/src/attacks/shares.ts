/**
 * Attacks on what others get of a hub. Owns the attacker's moves and, beside each, what an honest
 * pair still exchanged; what is judged is counted, times are for information.
 */
import type { Attack, Seen } from '../attack.js';
import type { Scene } from '../scene.js';

const CROWD = 50;
/** Messages that the honest pair exchanges, before the attack and during it. */
const HONEST = 20;
/** Answers that a connection may get before it has authenticated. */
const PRE_AUTH_ANSWERS = 20;

/** Runs an attack beside an honest pair; gives what the pair exchanged in both. */
async function beside(scene: Scene, attack: () => () => void) {
  const pair = await scene.honest();
  const quiet = await pair.exchange(HONEST);
  const stop = attack();
  const attacked = await pair.exchange(HONEST);
  stop();
  const figures = {
    'honest sent': attacked.sent,
    'honest handled': attacked.handled,
    'quiet median ms': quiet.medianMs,
    'attacked median ms': attacked.medianMs,
  };
  return { held: attacked.handled === attacked.sent, figures };
}

/** One connection that pings and comes back when it is thrown out. */
function pinger(scene: Scene, tally: { answers: number; most: number; closes: number }) {
  const burst = '{"type":"ping","id":1}\n'.repeat(500);
  const state = { isOver: false };
  const open = async (): Promise<void> => {
    while (!state.isOver) {
      const socket = await scene.socket().catch(() => null);
      if (socket === null) return;
      let answers = 0;
      socket.on('data', (bytes: Buffer) => {
        answers += bytes.toString('latin1').split('"pong"').length - 1;
      });
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.once('close', () => resolve());
      socket.write(burst);
      await promise;
      tally.answers += answers;
      tally.most = Math.max(tally.most, answers);
      tally.closes += 1;
    }
  };
  void open();
  return () => {
    state.isOver = true;
  };
}

async function pings(scene: Scene): Promise<Seen> {
  const tally = { answers: 0, most: 0, closes: 0 };
  const { held, figures } = await beside(scene, () => {
    const stops = Array.from({ length: CROWD }, () => pinger(scene, tally));
    return () => {
      for (const stop of stops) stop();
    };
  });
  const isBounded = tally.most <= PRE_AUTH_ANSWERS;
  return {
    held: held && isBounded && tally.closes > 0,
    seen: `${tally.closes} connections were closed, each after at most ${tally.most} answers`,
    figures: { 'attacker answered': tally.answers, ...figures },
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
];
