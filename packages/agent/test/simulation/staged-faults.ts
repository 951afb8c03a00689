/**
 * Faults that take several steps: an answer that comes too late, a start that is cut, a hub that is
 * put back, two identities met at once, a load. Owns the steps; `faults` owns how often they come.
 */
import type { AgentMachine } from './agent-machine.js';
import type { Fault, Victims } from './faults.js';

const SECOND_MS = 1_000;

export const STAGED_FAULTS = {
  /** What the hub says arrives after the time-outs of those who asked. */
  mute: ({ network, chance }, { name }) => {
    network.mute(name);
    network.timeline.after(chance.skewed(5 * SECOND_MS, 100 * SECOND_MS), () =>
      network.unmute(name),
    );
  },
  /** A process ends, or its connection, between two of its first requests. */
  cutStart: ({ network, chance }, agent) => {
    agent.end('killed');
    if (chance.flip(0.4)) agent.restore(null);
    network.afterFrames(agent.name, 1 + chance.below(10), () => {
      if (chance.flip(0.4)) return network.cut(agent.name);
      agent.end(chance.pick(['killed', 'power lost']));
      if (chance.flip(0.4)) agent.restore(null);
      network.timeline.after(chance.skewed(50, 20 * SECOND_MS), () => agent.start());
    });
    network.timeline.after(chance.skewed(50, 2 * SECOND_MS), () => agent.start());
  },
  /** The hub's backup is put back; what it loses others may still have. */
  hubBack: ({ hub, network, chance, oracle }) => {
    oracle.hubWentBack = true;
    const share = chance.flip(0.7) ? chance.between(0, 0.3) : chance.share();
    hub.goBack(share, oracle.hubFloor);
    network.timeline.after(chance.skewed(50, 10 * SECOND_MS), () => hub.start());
  },
  /** Who was away meets what an agent said before and after its change of identity at once. */
  meetBoth: (victims, speaker) => {
    const { agents, network, chance } = victims;
    const listener = chance.pick(agents.filter((agent) => agent !== speaker));
    network.clog(listener.name);
    sayUpTo(victims, speaker, listener, 3);
    let atMs = 0;
    for (let change = chance.flip(0.3) ? 2 : 1; change > 0; change--) {
      atMs += chance.between(SECOND_MS, 4 * SECOND_MS);
      network.timeline.after(atMs, () => speaker.rotate(chance));
      atMs += chance.between(SECOND_MS, 4 * SECOND_MS);
      network.timeline.after(atMs, () => sayUpTo(victims, speaker, listener, 3));
    }
    atMs += chance.skewed(SECOND_MS, 60 * SECOND_MS);
    network.timeline.after(atMs, () => network.unclog(listener.name));
  },
  /** For some seconds one agent says more than is done with meanwhile. */
  load: (victims, speaker) => {
    const { agents, network, chance } = victims;
    const listener = chance.pick(agents.filter((agent) => agent !== speaker));
    const paceMs = chance.skewed(40, 300);
    for (let left = 10 + chance.below(50), atMs = 0; left > 0; left--, atMs += paceMs) {
      network.timeline.after(atMs, () => sayUpTo(victims, speaker, listener, 1));
    }
  },
} satisfies Readonly<Record<string, Fault>>;

function sayUpTo(
  victims: Victims,
  speaker: AgentMachine,
  listener: AgentMachine,
  most: number,
): void {
  for (let left = 1 + victims.chance.below(most); left > 0; left--) victims.say(speaker, listener);
}
