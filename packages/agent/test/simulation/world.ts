/**
 * One simulated world: a hub's machine, agents' machines, their network, and the oracle that
 * watches. Owns putting them together from a seed, and the talking of the agents.
 */
import { AgentKeyPair } from '@agentmesh/crypto';
import type { HubStore } from '@agentmesh/hub-local';
import type { AgentStore } from '../../src/store/store.js';
import { AgentMachine } from './agent-machine.js';
import { Asker } from './asker.js';
import { CallOracle } from './call-oracle.js';
import { Chance } from './chance.js';
import type { Victims } from './faults.js';
import { HubMachine } from './hub-machine.js';
import { applyKnobs, drawKnobs, drawQuotas } from './knobs.js';
import type { Knobs } from './knobs.js';
import { Network } from './network.js';
import { Oracle } from './oracle.js';
import { Timeline } from './timeline.js';
import { Trace } from './trace.js';

/** What makes a world. */
export interface WorldOptions {
  readonly seed: number;
  readonly agents: number;
  /** Whether the hub's quotas are much too small, in a part of the runs. */
  readonly quotas?: boolean | undefined;
  /** Whether agents ask each other, too. */
  readonly calls?: boolean | undefined;
  readonly print?: ((line: string) => void) | undefined;
  /** Stand before the stores, to break them: whether the oracle sees it. */
  readonly tamper?: Tamper | undefined;
}

export interface Tamper {
  readonly agentStore?: (store: AgentStore) => AgentStore;
  readonly hubStore?: (store: HubStore) => HubStore;
}

export class World implements Victims {
  readonly chance: Chance;
  readonly timeline = new Timeline();
  readonly trace: Trace;
  readonly oracle: Oracle;
  readonly network: Network;
  readonly hub: HubMachine;
  readonly agents: readonly AgentMachine[];
  readonly knobs: Knobs;
  /** What agents ask each other; null where they do not. */
  readonly calls: CallOracle | null;
  /** The programs of the newest processes, by name. */
  readonly askers = new Map<string, Asker>();
  /** Puts the usual limits back. */
  readonly liftLimits: () => void;
  /** Whether handlers fail now and then. */
  troubled = true;

  constructor({ seed, agents, quotas = false, calls = false, print, tamper }: WorldOptions) {
    this.chance = new Chance(seed);
    const knobs = drawKnobs(this.chance.fork('knobs'));
    const narrow = quotas ? drawQuotas(this.chance.fork('quotas')) : {};
    this.knobs = { ...knobs, hub: { ...knobs.hub, ...narrow } };
    this.liftLimits = applyKnobs(this.knobs);
    this.trace = new Trace(this.timeline, print ?? null);
    this.trace.add(`seed ${seed} agents ${agents} knobs ${JSON.stringify(this.knobs)}`);
    this.oracle = new Oracle(this.trace);
    this.calls = calls ? new CallOracle(this.oracle) : null;
    this.network = new Network(this.timeline, this.chance.fork('network'), this.oracle);
    this.hub = new HubMachine({
      network: this.network,
      chance: this.chance.fork('hub'),
      limits: this.knobs.hub,
      onStored: (envelopeId) => this.oracle.stored(envelopeId),
      tamper: tamper?.hubStore,
    });
    this.oracle.hubLength = () => this.hub.disk.history.length;
    this.agents = Array.from({ length: agents }, (_, at) =>
      this.#agent(`agent-${at + 1}`, tamper?.agentStore),
    );
  }

  /** Somebody who is up says something to somebody. */
  talk(): void {
    const speakers = this.agents.filter(({ agent }) => agent !== null);
    if (speakers.length === 0) return;
    const speaker = this.chance.pick(speakers);
    const others = this.agents.filter((other) => other !== speaker);
    const burst = this.chance.flip(0.2) ? 1 + this.chance.below(this.calls === null ? 5 : 12) : 1;
    const listener = this.chance.pick(others);
    for (let n = 0; n < burst; n++) {
      if (this.calls === null || this.chance.flip(0.3)) this.say(speaker, listener);
      else this.#ask(speaker, listener);
    }
  }

  /** A request, a stream, or something that only a later version knows. */
  #ask(speaker: AgentMachine, { name: to }: AgentMachine): void {
    if (this.chance.flip(0.1)) {
      const kind = this.chance.pick([12, 127, 129, 255]);
      return speaker.sayUnknown({ to, kind, body: this.chance.bytes(this.chance.below(300)) });
    }
    this.askers.get(speaker.name)?.ask(to, this.chance, this.chance.flip(0.4));
  }

  say(speaker: AgentMachine, listener: AgentMachine): void {
    speaker.say(this.oracle.utter(speaker.name, listener.name));
  }

  #agent(name: string, tamper: Tamper['agentStore']): AgentMachine {
    const { network, oracle, trace, calls } = this;
    const machine: AgentMachine = new AgentMachine({
      name,
      keyPair: AgentKeyPair.generate(this.chance.fork(`keys of ${name}`).bytes),
      network,
      oracle,
      trace,
      chance: this.chance.fork(name),
      tamper,
      program: (agent, process) => {
        if (calls === null) return;
        const parts = { oracle, calls, trace, names: this.agents.map((other) => other.name) };
        this.askers.set(name, new Asker(parts, machine, agent, process));
      },
      handle: async (_message, process) => {
        if (process.chance.flip(0.3)) await wait(process, process.chance.skewed(1, 3_000));
        if (this.troubled && process.chance.flip(this.knobs.handlerFailures)) {
          throw new RangeError('a handler that fails');
        }
      },
    });
    return machine;
  }
}

function wait(process: { after(ms: number, task: () => void): void }, ms: number): Promise<void> {
  return new Promise((resolve) => {
    process.after(ms, resolve);
  });
}
