/**
 * The machine of one agent: a disk that outlives its processes, keys, and a supervisor that starts
 * the agent again whatever ended it. Owns starting, ending and the ways a disk is lost or restored;
 * agent and hub client are the real ones.
 */
import type { AgentKeyPair } from '@agentmesh/crypto';
import { AgentMeshError } from '@agentmesh/crypto';
import { NetworkHub } from '@agentmesh/hub-client';
import { Agent } from '../../src/index.js';
import type { AgentOptions, Message } from '../../src/index.js';
import type { AgentStore } from '../../src/store/store.js';
import type { Chance } from './chance.js';
import { Disk } from './disk.js';
import { commitsOn, DiskStore } from './disk-store.js';
import { Holdings } from './holdings.js';
import { Machine } from './machine.js';
import type { Process } from './machine.js';
import type { Network } from './network.js';
import type { Oracle, Saying } from './oracle.js';
import type { Trace } from './trace.js';

export interface AgentMachineOptions {
  readonly name: string;
  readonly keyPair: AgentKeyPair;
  readonly network: Network;
  readonly chance: Chance;
  readonly oracle: Oracle;
  readonly trace: Trace;
  /** What its program does with a message. */
  readonly handle: (message: Message, process: Process) => void | Promise<void>;
  /** Stands between the agent and its store, to break it. */
  readonly tamper?: ((store: AgentStore) => AgentStore) | undefined;
}

/** How a process ends. */
export type Ending = 'killed' | 'power lost' | 'closed';

interface Image {
  readonly writes: readonly Uint8Array[];
  readonly holdings: Holdings;
  readonly confirmed: number;
}

/** Events that only go into the trace. */
const NEWS = [
  'identityChanged',
  'peerInstanceChanged',
  'cloneOrRollback',
  'undecryptable',
  'refused',
  'gap',
  'undelivered',
  'storeRollback',
] as const;

/** Codes after which only a person can help: a lost store is restored, or begun anew. */
const HOPELESS = new Set(['STORE_CORRUPT']);

export class AgentMachine {
  readonly name: string;
  readonly machine: Machine;
  readonly #options: AgentMachineOptions;
  disk = new Disk();
  #holdings = new Holdings();
  /** Commits on the disk that the oracle knows of. */
  #confirmed = 0;
  readonly #images: Image[] = [];
  #process: Process | null = null;
  #agent: Agent | null = null;
  /** Whether the supervisor starts it again. */
  #supervised = true;

  constructor(options: AgentMachineOptions) {
    this.name = options.name;
    this.#options = options;
    this.machine = new Machine(options.network.timeline, options.chance);
    options.oracle.enrol(options.name, options.keyPair.identity.aid);
    options.oracle.usesStore(options.name, this.#holdings);
  }

  get aid(): Uint8Array {
    return this.#options.keyPair.identity.aid;
  }

  /** The agent while it runs and is not being closed. */
  get agent(): Agent | null {
    return this.#agent;
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  start(): void {
    this.#supervised = true;
    if (this.#process !== null) return;
    const process = this.machine.start();
    this.#process = process;
    this.#create(process).then(
      (agent) => this.#started(agent),
      (error: unknown) => this.#failed(error),
    );
  }

  /** Sends; what becomes of it is the oracle's to know. Nothing is sent while it is down. */
  say(saying: Saying): void {
    const { oracle, trace } = this.#options;
    trace.add(`${this.name} says '${saying.text}'`);
    this.#agent?.send(saying.to, saying.text).then(
      ({ delivered }) => {
        saying.accepted = true;
        trace.add(`accepted '${saying.text}'`);
        delivered.then(
          () => oracle.delivered(saying),
          (error: unknown) => this.#toldOf(saying, error),
        );
      },
      (error: unknown) => this.#toldOf(saying, error),
    );
  }

  /** Ends the process; the supervisor starts the next one when it is told to. */
  end(how: Ending): void {
    this.#supervised = false;
    this.#options.trace.add(`${this.name} ${how}`);
    if (how === 'closed' && this.#agent !== null) void this.#close(this.#agent);
    else this.#die(how === 'power lost');
  }

  /** Keeps an image of the disk, for {@link restore}: only while nothing runs on it. */
  keepImage(): void {
    if (this.#process !== null || this.disk.hasDecayed) return;
    const [writes, confirmed] = [this.disk.image(), this.#confirmed];
    this.#images.push({ writes, holdings: new Holdings(this.#holdings), confirmed });
  }

  get images(): number {
    return this.#images.length;
  }

  /** Puts an earlier image back, or an empty disk in. */
  restore(image: number | null): void {
    if (this.#process !== null) this.end('killed');
    const kept = image === null ? undefined : this.#images[image];
    this.#options.trace.add(`${this.name} ${kept === undefined ? 'lost its store' : 'went back'}`);
    this.disk = new Disk(kept?.writes);
    this.#holdings = new Holdings(kept?.holdings);
    this.#confirmed = kept?.confirmed ?? 0;
    this.#options.oracle.usesStore(this.name, this.#holdings);
  }

  async #create(process: Process): Promise<Agent> {
    const { name, keyPair, network, oracle, tamper = (store) => store } = this.#options;
    const store = new DiskStore(this.disk, process, (operations) => {
      this.#confirmed += 1;
      oracle.committed(name, operations);
    });
    const host = {
      clock: process.now,
      random: process.random,
      after: (delayMs: number, task: () => void) => process.clientTimer(delayMs, task),
      open: network.opener(name, process),
    };
    const options: AgentOptions = {
      hub: new NetworkHub({ host: 'localhost', tls: false }, host),
      keyPair,
      store: tamper(store),
      runtime: process.runtime(),
      logLevel: 'silent',
    };
    const agent = await Agent.create(name, options);
    agent.on('stopped', ({ error }) => process.defer(() => this.#stopped(error)));
    agent.on('connection', ({ state, error }) => {
      this.#options.trace.add(`${name} ${state} ${error?.code ?? ''}`);
      if (state === 'ended') process.defer(() => this.#stopped(error));
    });
    agent.on('outgoing', ({ id, state }) => {
      if (state === 'expired' || state === 'rejected') oracle.givenUp(id, state);
    });
    agent.on('gap', ({ peer, state, ranges }) => {
      if (state === 'lost') oracle.lost({ from: peer, to: name, ranges });
    });
    for (const event of NEWS) {
      agent.on(event, (news) =>
        this.#options.trace.add(`${name} ${event} ${JSON.stringify(news)}`),
      );
    }
    agent.onMessage((message) => this.#options.handle(message, process));
    return agent;
  }

  #started(agent: Agent): void {
    this.#agent = agent;
    this.#options.trace.add(`${this.name} started`);
  }

  #failed(error: unknown): void {
    const code = error instanceof AgentMeshError ? error.code : 'INTERNAL';
    this.#options.trace.add(`${this.name} did not start: ${code}`);
    if (code === 'INTERNAL') this.#options.oracle.fail(`${this.name} did not start: ${error}`);
    this.#die(false);
    if (HOPELESS.has(code))
      this.restore(this.#images.length === 0 ? null : this.#images.length - 1);
    this.#startLater();
  }

  #stopped(error: AgentMeshError | null): void {
    if (this.#agent === null) return;
    this.#options.trace.add(`${this.name} stopped: ${error?.code ?? 'closed'}`);
    this.#die(false);
    if (error !== null && HOPELESS.has(error.code)) this.restore(null);
    this.#startLater();
  }

  #startLater(): void {
    const { chance, network } = this.#options;
    network.timeline.after(chance.between(500, 3_000), () => {
      if (this.#supervised) this.start();
    });
  }

  async #close(agent: Agent): Promise<void> {
    this.#agent = null;
    await agent.close();
    this.#die(false);
    if (this.#supervised) this.start();
  }

  /** The process is gone. What its disk holds beyond what was confirmed is found by the next. */
  #die(powerLost: boolean): void {
    const { chance, network, oracle } = this.#options;
    if (this.#process === null) return;
    this.#process.kill();
    this.#process = null;
    this.#agent = null;
    if (powerLost) this.disk.losePower(chance);
    else this.disk.loseProcess();
    network.agentDied(this.name, powerLost);
    const survived = commitsOn(this.disk).slice(this.#confirmed);
    for (const operations of survived) oracle.committed(this.name, operations);
    this.#confirmed += survived.length;
  }

  /** Whether the sender learnt that this one may not arrive. An agent that ends says nothing. */
  #toldOf(saying: Saying, error: unknown): void {
    const code = error instanceof AgentMeshError ? error.code : String(error);
    this.#options.trace.add(`not delivered '${saying.text}': ${code}`);
    const isOfStore = code.startsWith('STORE_');
    if (code !== 'CLOSED' && !isOfStore) saying.told ??= code;
  }
}
