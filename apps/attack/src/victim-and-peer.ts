/**
 * An agent in its sandbox, and an agent of the attacker that has begun to talk to it. Owns how the
 * two come to know each other; what follows is the attack's.
 */
import { CannotTry } from './attack.js';
import type { Victim } from './sandbox/victim.js';
import type { VictimSetup } from './sandbox/victim-program.js';
import type { Scene } from './scene.js';
import type { Target } from './target.js';
import type { Intruder } from './wire/intruder.js';

/** Both, at a hub of the scene's own. */
export interface VictimAndPeer {
  readonly target: Target;
  readonly victim: Victim;
  readonly peer: Intruder;
}

/** Brings them up; throws CannotTry where the agent does not start. */
export async function victimAndPeer(
  scene: Scene,
  setup: Partial<Pick<VictimSetup, 'handler'>> = {},
): Promise<VictimAndPeer> {
  const { target } = await scene.ownHub();
  const victim = scene.victim({ target, ...setup });
  if (!(await victim.isReady())) throw new CannotTry('the agent did not start');
  const peer = await scene.intruder({ target });
  await peer.publish();
  await peer.begin(victim.name);
  return { target, victim, peer };
}
