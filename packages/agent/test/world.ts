/**
 * A small world for scenarios: one hub that can lie and go down, agents on it, and a clock that
 * only the test moves. Owns the bringing up and taking down; hub and agents are the real ones.
 */
import { AgentKeyPair, ready } from '@agentmesh/crypto';
import { InterruptedHub, MaliciousHub, seededRandom } from '@agentmesh/hub-compliance';
import { LocalHub } from '@agentmesh/hub-local';
import type { LocalHubOptions } from '@agentmesh/hub-local';
import { Agent } from '../src/index.js';
import type { AgentEvents, AgentOptions, Message } from '../src/index.js';
import type { Runtime } from '../src/index.js';
import { DiskAwareHost } from './disk-aware-host.js';
import { KeyLedger } from './key-ledger.js';
import './few-prekeys.js';
import { TestStore } from './test-store.js';

/** An agent and what a test remembers of it. */
export interface Resident {
  readonly agent: Agent;
  readonly name: string;
  readonly keyPair: AgentKeyPair;
  readonly store: TestStore;
  /** Every message its one handler saw. */
  readonly messages: Message[];
  readonly texts: string[];
  /** Every event, by name. */
  readonly events: { [Name in keyof AgentEvents]: AgentEvents[Name][] };
}

const EVENTS: readonly (keyof AgentEvents)[] = [
  'firstContact',
  'identityChanged',
  'identityRotated',
  'peerRevoked',
  'peerInstanceChanged',
  'cloneOrRollback',
  'undecryptable',
  'refused',
  'gap',
  'outgoing',
  'keysDropped',
  'undelivered',
  'storeRollback',
  'displaced',
  'connection',
  'contactRequest',
  'joined',
  'handlerError',
  'handlerSlow',
  'orphanReply',
  'loopSuspected',
  'stopped',
];

/** One hub and its agents. */
export class World {
  readonly host = new DiskAwareHost();
  readonly ledger = new KeyLedger();
  readonly local: LocalHub;
  readonly network: InterruptedHub;
  readonly hub: MaliciousHub;
  readonly #residents = new Set<Resident>();
  #seed: number;

  private constructor(seed: number, options: LocalHubOptions) {
    this.#seed = seed;
    this.local = new LocalHub({ ...options, host: this.host });
    this.network = new InterruptedHub(this.local);
    this.hub = new MaliciousHub(this.network);
  }

  static async create(seed = 1, options: LocalHubOptions = {}): Promise<World> {
    await ready();
    return new World(seed, options);
  }

  /** Clock and timers of this world, randomness of its own. */
  runtime(): Runtime {
    const { host } = this;
    return {
      now: host.clock,
      steady: host.clock,
      random: seededRandom(this.#seed++),
      schedule(delayMs, task) {
        if (delayMs === 0) host.defer(task);
        if (delayMs === 0) return () => {};
        const cancel = host.every(delayMs, () => {
          cancel();
          task();
        });
        return cancel;
      },
      hold: () => () => {},
    };
  }

  keys(): AgentKeyPair {
    return AgentKeyPair.generate(seededRandom(this.#seed++));
  }

  /** Brings up an agent with one handler; `as` continues one that was closed. */
  async agent(
    name: string,
    options: AgentOptions = {},
    as: Partial<Pick<Resident, 'keyPair' | 'store'>> = {},
  ): Promise<Resident> {
    const resident = await this.agentWithoutHandler(name, options, as);
    resident.agent.onMessage((message) => {
      resident.messages.push(message);
      resident.texts.push(message.text);
    });
    return resident;
  }

  /** An agent in whose inbox messages wait: none has an outcome. */
  async agentWithoutHandler(
    name: string,
    options: AgentOptions = {},
    as: Partial<Pick<Resident, 'keyPair' | 'store'>> = {},
  ): Promise<Resident> {
    const keyPair = as.keyPair ?? this.keys();
    const store = as.store ?? new TestStore(this.ledger);
    const runtime = this.runtime();
    const { hub } = this;
    const defaults = { hub, keyPair, store, runtime, logLevel: 'silent' } as const;
    const files = options.store === undefined ? {} : { store: this.host.watched(options.store) };
    const agent = await Agent.create(name, { ...defaults, ...options, ...files });
    const events = Object.fromEntries(EVENTS.map((event) => [event, []])) as never;
    const resident: Resident = { agent, name, keyPair, store, messages: [], texts: [], events };
    for (const event of EVENTS) {
      agent.on(event, (value) => (resident.events[event] as unknown[]).push(value));
    }
    this.#residents.add(resident);
    return resident;
  }

  /** The same agent again, on the same keys and store. */
  async restart(resident: Resident, options: AgentOptions = {}): Promise<Resident> {
    await this.close(resident);
    return await this.agent(resident.name, options, resident);
  }

  /** The same agent with an empty store: it has lost everything but its keys. */
  async loseStore(resident: Resident, options: AgentOptions = {}): Promise<Resident> {
    await this.close(resident);
    return await this.agent(resident.name, options, { keyPair: resident.keyPair });
  }

  async close(resident: Resident): Promise<void> {
    this.#residents.delete(resident);
    await this.finish(resident.agent.close());
  }

  /** Ends it as `kill -9` does: nothing more is written, and nothing is said to anybody. */
  async kill(resident: Resident): Promise<void> {
    resident.store.beforeCommit = () => {
      throw new TypeError('killed');
    };
    await this.close(resident);
  }

  /** Lets hub and agents come to rest; no time passes. */
  async rest(): Promise<void> {
    for (let i = 0; i < 4; i++) await this.host.rest();
  }

  /** Lets time pass. */
  async advance(ms: number): Promise<void> {
    await this.rest();
    await this.host.advance(ms);
    await this.rest();
  }

  /** Sets the clock ahead at once. */
  async jump(ms: number): Promise<void> {
    await this.rest();
    await this.host.jump(ms);
    await this.rest();
  }

  /** Waits for something that may need time to pass. */
  async finish<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    const end = (): void => void (over = true);
    promise.then(end, end);
    for (let seconds = 0; !over && seconds < 3_600; seconds++) {
      await this.host.rest();
      if (!over) await this.host.advance(1_000);
    }
    return await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resident of this.#residents) await this.close(resident);
    await this.local.close();
  }
}
