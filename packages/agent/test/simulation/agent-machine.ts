/**
 * The machine of one agent: a disk that outlives its processes, keys, and a supervisor that starts
 * the agent again whatever ended it. Owns starting, ending, changes of identity and the ways a disk
 * is lost or restored; agent and hub client are the real ones.
 */
import { AgentKeyPair, AgentMeshError } from '@agentmesh/crypto';
import { NetworkHub } from '@agentmesh/hub-client';
import { Agent } from '../../src/index.js';
import type { AgentOptions, Message } from '../../src/index.js';
import type { AgentStore } from '../../src/store/store.js';
import type { Chance } from './chance.js';
import { Disk } from './disk.js';
import { commitsOn, DiskStore } from './disk-store.js';
import { sayUnknown } from './later-version.js';
import { Holdings } from './holdings.js';
import { Machine } from './machine.js';
import type { Process } from './machine.js';
import type { Network } from './network.js';
import type { Oracle, Saying } from './oracle.js';
import { Owner } from './owner.js';
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
  /** What else it does with an agent that has just come up. */
  readonly program?: ((agent: Agent, process: Process) => void) | undefined;
  /** Stands between the agent and its store, to break it. */
  readonly tamper?: ((store: AgentStore) => AgentStore) | undefined;
}

/** How a process ends. */
export type Ending = 'killed' | 'power lost' | 'closed';

/** `holdings` and `confirmed`: those of a closed store; a copy of a running one is read again. */
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

export class AgentMachine {
  readonly name: string;
  readonly machine: Machine;
  readonly #options: AgentMachineOptions;
  disk = new Disk();
  #holdings = new Holdings();
  /** Commits on the disk that the oracle knows of. */
  #confirmed = 0;
  #images: Image[] = [];
  /** Keys are kept apart from the disk: those of the present identity, and those to follow it. */
  #present: AgentKeyPair;
  #next: AgentKeyPair | null = null;
  /** Which of them the next process is given. */
  #givesNext = false;
  /** Whether no agent was ever let in with this store. */
  #isFresh = true;
  #process: Process | null = null;
  #agent: Agent | null = null;
  readonly #owner = new Owner();
  #store: AgentStore | null = null;
  /** Peers about which somebody has to decide, with the identity that was shown. */
  readonly #undecided = new Map<string, string>();
  /** How much the hub had written when the present identity became it. */
  #rotatedAt = 0;
  /** Whether the supervisor starts it again. */
  #supervised = true;

  constructor(options: AgentMachineOptions) {
    this.name = options.name;
    this.#options = options;
    this.machine = new Machine(options.network.timeline, options.chance);
    this.#present = options.keyPair;
    options.oracle.enrol(options.name, options.keyPair.identity.aid);
    options.oracle.presents(options.name, options.keyPair.identity.aid);
    options.oracle.usesStore(options.name, this.#holdings);
  }

  /** Of the present identity. */
  get aid(): Uint8Array {
    return this.#present.identity.aid;
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

  /** Says something that only a later version knows. */
  sayUnknown(message: Parameters<typeof sayUnknown>[1]): void {
    const { trace } = this.#options;
    if (this.#agent === null || this.#store === null) return;
    trace.add(`${this.name} says kind ${message.kind} to ${message.to}`);
    void sayUnknown(this.#store, message);
  }

  /** Changes the identity. Its keys are safe before; a change that was begun goes on with them. */
  rotate(chance: Chance): void {
    const { name, oracle, trace } = this.#options;
    const agent = this.#agent;
    if (agent === null) return;
    const next = this.#next ?? AgentKeyPair.generate(chance.bytes);
    this.#next = next;
    oracle.enrol(name, next.identity.aid);
    trace.add(`${name} changes to ${next.address}`);
    const told = (what: string): void => {
      trace.add(`${name} ${what} ${agent.address}`);
      this.#isNow(agent.address);
    };
    agent.rotateIdentity(next, { giveUpUnsent: chance.flip(0.5) }).then(
      () => told('changed to'),
      (error: unknown) => told(`${error instanceof AgentMeshError ? error.code : error}: still`),
    );
  }

  /** Keys that were followed by others are in the store only. */
  #isNow(address: string): void {
    if (this.#next?.address !== address) return;
    this.#present = this.#next;
    this.#rotatedAt = this.#options.oracle.hubLength();
    this.#options.oracle.presents(this.name, this.aid);
    this.#next = null;
    this.#givesNext = false;
    // An older store than this identity could be opened by nobody.
    this.#images = [];
  }

  /** Somebody sees that it does not run, and why. */
  #ask(error: unknown): void {
    const { oracle, trace } = this.#options;
    const code = error instanceof AgentMeshError ? error.code : 'INTERNAL';
    if (code === 'INTERNAL') oracle.fail(`${this.name} does not run: ${error}`);
    const isFinal = !(error instanceof AgentMeshError && error.retryable);
    const what = this.#owner.next(code, isFinal);
    trace.add(`${this.name} is tried: ${what}`);
    if (what === 'hopeless') oracle.fail(`${this.name} does not run any more: ${code}`);
    if (what === 'other keys') this.#giveOthers(code);
    const latest = this.#images.length - 1;
    if (what === 'backup') this.restore(latest < 0 ? null : latest);
    if (what === 'new store') this.restore(null);
  }

  /** Whether a change of identity was made is not always known: then the other keys are right. */
  #giveOthers(code: string): void {
    if (this.#next === null) return;
    this.#givesNext = !this.#givesNext;
    // A new store is of the keys that it was begun with.
    if (code !== 'STORE_MISMATCH' && this.#isFresh) this.restore(null);
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

  /** Keeps a copy of the disk while the process works on it, perhaps half of one. */
  copyLive(chance: Chance): void {
    if (this.#process === null || this.disk.hasDecayed) return;
    const writes = this.disk.copy(chance, chance.flip(0.7));
    this.#options.trace.add(`${this.name} is copied while it runs: ${writes.length} writes`);
    this.#images.push({ writes, holdings: new Holdings(), confirmed: 0 });
  }

  get images(): number {
    return this.#images.length;
  }

  /** Puts an earlier image back, or an empty disk in. */
  restore(image: number | null): void {
    const { oracle } = this.#options;
    // Without its store nobody can prove a change of identity that the hub has forgotten.
    if (image === null && oracle.hubLength() < this.#rotatedAt) return;
    if (image === null) oracle.hubFloor = Math.max(oracle.hubFloor, this.#rotatedAt);
    if (this.#process !== null) this.end('killed');
    const kept = image === null ? undefined : this.#images[image];
    this.#options.trace.add(`${this.name} ${kept === undefined ? 'lost its store' : 'went back'}`);
    this.disk = new Disk(kept?.writes);
    this.#isFresh = kept === undefined;
    this.#holdings = new Holdings(kept?.holdings);
    this.#confirmed = kept?.confirmed ?? 0;
    oracle.usesStore(this.name, this.#holdings);
    // A copy of a running store holds what it holds: the oracle reads it as the next process does.
    const found = commitsOn(this.disk);
    for (const operations of found.slice(this.#confirmed)) this.#holdings.learn(operations);
    this.#confirmed = found.length;
  }

  async #create(process: Process): Promise<Agent> {
    const { name, network, oracle, tamper = (store) => store } = this.#options;
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
    this.#store = tamper(store);
    const options: AgentOptions = {
      hub: new NetworkHub({ host: 'localhost', tls: false }, host),
      keyPair: (this.#givesNext ? this.#next : null) ?? this.#present,
      store: this.#store,
      runtime: process.runtime(),
      ...this.#options.trace.logsOf(name),
    };
    const agent = await Agent.create(name, options);
    agent.on('stopped', ({ error }) => process.defer(() => this.#stopped(error)));
    agent.on('connection', ({ state, error }) => {
      this.#options.trace.add(`${name} ${state} ${error?.code ?? ''}`);
      // A change that was not answered in time may have been made since.
      if (state === 'online') this.#isNow(agent.address);
      if (state === 'ended') process.defer(() => this.#stopped(error));
    });
    agent.on('identityChanged', ({ peer, shown }) => this.#decide(peer, shown));
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
    this.#options.program?.(agent, process);
    return agent;
  }

  /** Somebody calls the peer's owner: a hub is not asked who is who. */
  #decide(peer: string, shown: string): void {
    const { chance, network, oracle, trace } = this.#options;
    if (!oracle.isOf(peer, shown)) oracle.fail(`${this.name} was shown a false ${peer}`);
    this.#undecided.set(peer, shown);
    network.timeline.after(chance.skewed(1_000, 60_000), () => {
      if (this.#agent === null) return this.#decide(peer, shown);
      // On the telephone it reads out the fingerprint that it has now.
      const told = oracle.presentOf(peer);
      this.#agent.trust(peer, told).then(
        () => {
          this.#undecided.delete(peer);
          trace.add(`${this.name} trusts ${peer} ${told}`);
        },
        (error: unknown) => {
          trace.add(`${this.name} does not trust ${peer}: ${error}`);
          // Else another one was shown since, which is told too; or the agent ends now.
          const isForNow = error instanceof AgentMeshError && error.retryable;
          if (isForNow) this.#decide(peer, shown);
          else if (this.#agent !== null) this.#undecided.delete(peer);
        },
      );
    });
  }

  #started(agent: Agent): void {
    this.#agent = agent;
    this.#isFresh = false;
    this.#owner.content();
    // A process that ended may not have heard of the decision.
    for (const [peer, shown] of this.#undecided) this.#decide(peer, shown);
    this.#rotatedAt = Math.min(this.#rotatedAt, this.#options.oracle.hubLength());
    this.#isNow(agent.address);
    this.#options.trace.add(`${this.name} started`);
  }

  #failed(error: unknown): void {
    const code = error instanceof AgentMeshError ? error.code : 'INTERNAL';
    this.#options.trace.add(`${this.name} did not start: ${code}`);
    this.#die(false);
    this.#ask(error);
    this.#startLater();
  }

  #stopped(error: AgentMeshError | null): void {
    if (this.#agent === null) return;
    this.#options.trace.add(`${this.name} stopped: ${error?.code ?? 'closed'}`);
    this.#die(false);
    if (error !== null) this.#ask(error);
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
