/**
 * A peer that says whatever it likes to one agent, in a session of its own keys. Owns the setting
 * up; what it says, the tests do.
 */
import { CONTENT_KIND } from '@agentmesh/crypto';
import type { Content } from '@agentmesh/crypto';
import { envelopeTo, forgerTo } from './forger.js';
import type { Resident, World } from './world.js';

export interface HostilePeer {
  readonly mallory: Resident;
  /** A sealed and signed content; what is not given is plausible. */
  readonly say: (content: Partial<Content>) => void;
  /** An application message of these very bytes. */
  readonly sayText: (body: string, content?: Partial<Content>) => void;
}

/** Mallory, whom the agent knows. */
export async function hostilePeerOf(world: World, victim: Resident): Promise<HostilePeer> {
  const mallory = await world.agentWithoutHandler('mallory');
  await world.finish(mallory.agent.connect(victim.name));
  await world.finish(victim.agent.connect('mallory'));
  await world.rest();
  const sentAtMs = world.host.clock();
  const forger = forgerTo(world, mallory, victim.name);
  const say = (content: Partial<Content>): void => {
    const names = { fromName: 'mallory', toName: victim.name, sentAtMs };
    const wire = forger.say({ ...names, ...content });
    world.hub.inject(victim.name, envelopeTo(victim, forger.aid, wire));
  };
  const sayText = (body: string, content: Partial<Content> = {}): void =>
    say({ kind: CONTENT_KIND.application, body: new TextEncoder().encode(body), ...content });
  return { mallory, say, sayText };
}
