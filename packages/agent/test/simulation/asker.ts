/**
 * The programs of a world's agents, as far as they ask each other: what their handlers do with a
 * request, and how they follow their own calls over restarts. Owns this workload; what must be true
 * of it `call-oracle` knows.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import type { Agent, AgentStream, Call, Message, RequestContext } from '../../src/index.js';
import type { AgentMachine } from './agent-machine.js';
import type { Ask, CallOracle, Manner, Question } from './call-oracle.js';
import type { Chance } from './chance.js';
import type { Holdings } from './holdings.js';
import type { Process } from './machine.js';
import type { Oracle } from './oracle.js';
import type { Trace } from './trace.js';

/** What all programs of a world share. */
export interface AskerParts {
  readonly oracle: Oracle;
  readonly calls: CallOracle;
  readonly trace: Trace;
  readonly names: readonly string[];
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const TIMEOUTS_MS = [20 * SECOND_MS, MINUTE_MS, 5 * MINUTE_MS, 20 * MINUTE_MS];
const MANNERS: readonly Manner[] = [
  ...(['quick', 'quick', 'quick', 'slow', 'slow', 'step', 'nested'] as const),
  ...(['throws', 'refuses', 'hangs'] as const),
];
const FILLERS = [0, 0, 0, 10, 1_000, 60_000];
/** Of a stream: enough large ones to use its credit up. */
const MOST_ITEMS = 40;
const LARGE_ITEMS = 8;

/** The program of one process. */
export class Asker {
  readonly #parts: AskerParts;
  readonly #machine: AgentMachine;
  readonly #agent: Agent;
  readonly #process: Process;
  readonly #store: Holdings;
  /** Ids of calls that it follows. */
  readonly #asking = new Set<Ask>();
  readonly #followed = new Set<string>();

  constructor(parts: AskerParts, machine: AgentMachine, agent: Agent, process: Process) {
    this.#parts = parts;
    this.#machine = machine;
    this.#agent = agent;
    this.#process = process;
    this.#store = parts.oracle.holdingsOf(machine.name);
    agent.onRequest((request, context) => this.#answer(request, context), { concurrency: 4 });
    agent.onStream((request, context) => this.#produce(request, context), { concurrency: 4 });
    void this.#takeUp();
  }

  /** Asks somebody something. */
  ask(to: string, chance: Chance, isStream: boolean): void {
    const { n } = this.#begin(to, chance, { isStream, mayNest: true }).question;
    this.#parts.trace.add(`${this.#machine.name} asks ${to}: ${n}`);
  }

  /** Whether something is not asked yet, such as of a peer that cannot be reached. */
  get isAsking(): boolean {
    return this.#process.alive && this.#asking.size > 0;
  }

  /** Asks something that a healed world answers. */
  askPlainly(to: string, isStream: boolean): Ask {
    const question = { items: isStream ? 3 : 0, manner: 'quick', filler: 0, third: null } as const;
    const ask = this.#add(to, 5 * MINUTE_MS, question);
    void this.#run(ask, null);
    return ask;
  }

  #begin(to: string, chance: Chance, how: { isStream: boolean; mayNest: boolean }): Ask {
    const drawn = chance.pick(MANNERS);
    const others = this.#parts.names.filter((name) => name !== this.#machine.name && name !== to);
    const isNested = drawn === 'nested' && how.mayNest && !how.isStream && others.length > 0;
    const filler = how.isStream ? chance.pick(FILLERS) : 0;
    const question = {
      manner: drawn === 'nested' && !isNested ? 'quick' : drawn,
      items: how.isStream ? 1 + chance.below(filler > 1_000 ? LARGE_ITEMS : MOST_ITEMS) : 0,
      filler,
      third: isNested ? chance.pick(others) : null,
    };
    const ask = this.#add(to, chance.pick(TIMEOUTS_MS), question);
    const isLeft = chance.flip(0.15);
    void this.#run(ask, isLeft ? chance : null, chance.flip(0.2) ? `key${chance.below(3)}` : null);
    return ask;
  }

  #add(to: string, timeoutMs: number, question: Omit<Question, 'asks' | 'n'>): Ask {
    const { calls } = this.#parts;
    const askedMs = this.#process.machine.timeline.nowMs;
    return calls.add({ from: this.#machine.name, to, timeoutMs, askedMs }, question);
  }

  /** `leaves`: gives it up after a while, or in the middle of its items. */
  async #run(ask: Ask, leaves: Chance | null, key: string | null = null): Promise<void> {
    this.#asking.add(ask);
    const { to, question, timeoutMs } = ask;
    const options = { timeout: timeoutMs };
    try {
      if (ask.isStream) {
        const stream = this.#agent.stream(to, question, options);
        ask.id = await stream.id;
        this.#asking.delete(ask);
        await this.#read(ask, stream, leaves === null ? null : leaves.below(question.items));
        return;
      }
      const isKeyed = key !== null && question.manner === 'quick';
      const call = await this.#agent.call(to, question, isKeyed ? { ...options, key } : options);
      ask.id = call.id;
      this.#asking.delete(ask);
      if (leaves !== null) {
        this.#process.after(leaves.skewed(1, 20_000), () => {
          ask.isCancelled = true;
          void call.cancel('changed its mind').catch(() => undefined);
        });
      }
      await this.#follow(ask, call);
    } catch (error) {
      this.#notAsked(ask, error);
    }
  }

  #notAsked(ask: Ask, error: unknown): void {
    const { question } = ask;
    this.#asking.delete(ask);
    const code = error instanceof AgentMeshError ? error.code : String(error);
    this.#parts.trace.add(`${this.#machine.name} did not ask ${question.n}: ${code}`);
    if (!(error instanceof AgentMeshError)) this.#parts.oracle.fail(`not asked: ${String(error)}`);
  }

  /** What an earlier process asked. */
  async #takeUp(): Promise<void> {
    const known = await this.#agent.calls().catch(() => []);
    for (const call of known) {
      const ask = this.#parts.calls.find(call.id, this.#store);
      if (ask === undefined) this.#parts.oracle.fail(`nobody asked ${call.id}`);
      else void this.#follow(ask, call);
    }
    for (const id of this.#store.calls.open) {
      const ask = this.#parts.calls.find(id, this.#store);
      if (ask?.isStream !== true || !this.#process.alive) continue;
      try {
        void this.#read(ask, this.#agent.streamById(id), null);
      } catch (error) {
        const isGone = error instanceof AgentMeshError && error.code !== 'UNKNOWN_CALL';
        if (!isGone) this.#parts.oracle.fail(`stream ${id} is not found: ${String(error)}`);
      }
    }
  }

  async #follow(ask: Ask, call: Call): Promise<void> {
    if (this.#followed.has(call.id)) return;
    this.#followed.add(call.id);
    ask.id = call.id;
    try {
      const answer = await call.answer();
      if (answer['n'] !== ask.question.n && answer['keyed'] !== true) {
        this.#parts.oracle.fail(`${ask.question.n} got the answer of ${String(answer['n'])}`);
      }
      this.#ended(ask, 'answered', JSON.stringify(answer));
    } catch (error) {
      this.#endedBy(ask, error);
    }
  }

  /** Reads a stream; `most`: leaves it behind so many items. */
  async #read(ask: Ask, stream: AgentStream, most: number | null): Promise<void> {
    const { calls } = this.#parts;
    try {
      for (let count = 0; ; count++) {
        if (count === most) {
          ask.isCancelled = true;
          await stream.return();
          return this.#ended(ask, 'CANCELLED', '');
        }
        const at = await stream.position;
        const step = await stream.next();
        if (!this.#process.alive) return;
        if (step.done === true) break;
        calls.item(ask, this.#store, at, isItem(ask.question, at, step.value));
        if (this.#process.chance.flip(0.1)) await this.#wait(2 * SECOND_MS);
      }
      this.#ended(ask, 'answered', JSON.stringify(await stream.result));
    } catch (error) {
      this.#endedBy(ask, error);
    }
  }

  #endedBy(ask: Ask, error: unknown): void {
    if (!(error instanceof AgentMeshError)) {
      this.#parts.oracle.fail(`${ask.question.n} ended with ${String(error)}`);
      return;
    }
    // An agent that ends says nothing of its calls.
    if (error.code === 'CLOSED' || error.code.startsWith('STORE_')) return;
    this.#ended(ask, error.code, error.message);
  }

  #ended(ask: Ask, code: string, what: string): void {
    if (!this.#process.alive) return;
    this.#parts.trace.add(`${this.#machine.name} ${ask.question.n} ended: ${code} ${what}`);
    this.#parts.calls.ended(ask, this.#store, code, what);
  }

  async #answer(request: Message, context: RequestContext): Promise<object> {
    const question = request.payload as unknown as Question;
    return this.#working(request, context, async () => {
      const { n, manner, third } = question;
      if (this.#process.chance.flip(0.2)) context.progress({ n });
      await this.#behave(question, context);
      if (manner === 'step') return { n, step: await this.#step(request, context) };
      if (third === null) return { n, keyed: true, token: this.#process.chance.next() };
      return { n, third: await this.#askThird(third) };
    });
  }

  async #working<T>(request: Message, context: RequestContext, task: () => Promise<T>): Promise<T> {
    const { calls } = this.#parts;
    const deadlineMs = context.deadline.getTime();
    calls.begins(this.#process, this.#machine.name, { id: request.id, deadlineMs });
    try {
      return await task();
    } finally {
      calls.stops(this.#process, request.id);
    }
  }

  async #behave({ n, manner }: Question, context: RequestContext): Promise<void> {
    if (manner === 'slow') await this.#wait(90 * SECOND_MS);
    if (manner === 'hangs') await new Promise(() => {});
    if (manner === 'refuses') throw context.error('NOPE', { n });
    if (manner === 'throws') throw new RangeError('a handler that fails');
  }

  /** The result of a step is that of its first run, and is stored. */
  async #step({ id }: Message, context: RequestContext): Promise<number> {
    await this.#wait(SECOND_MS);
    const drawn = this.#process.chance.next();
    const value = await context.once('step', () => drawn);
    await this.#wait(5 * SECOND_MS);
    if (this.#process.alive && (await context.once('step', () => drawn + 1)) !== value) {
      this.#parts.oracle.fail(`a step of ${id} has two results`);
    }
    return value;
  }

  async #askThird(third: string): Promise<string> {
    const ask = this.#begin(third, this.#process.chance, { isStream: false, mayNest: false });
    const before = this.#process.machine.timeline.nowMs;
    while (!ask.ends.has(this.#store)) {
      if (!this.#process.alive) return await new Promise(() => {});
      if (this.#process.machine.timeline.nowMs - before > ask.timeoutMs) break;
      await this.#wait(SECOND_MS);
    }
    return ask.ends.get(this.#store) ?? 'not yet';
  }

  async *#produce(request: Message, context: RequestContext): AsyncGenerator<never, object, void> {
    const question = request.payload as unknown as Question;
    const { calls } = this.#parts;
    const deadlineMs = context.deadline.getTime();
    calls.begins(this.#process, this.#machine.name, { id: request.id, deadlineMs });
    try {
      const { n, items, manner } = question;
      for (let at = context.from; at < items; at++) {
        if (at === items >> 1) await this.#behave(question, context);
        if (manner === 'step' && this.#process.chance.flip(0.5)) await this.#wait(SECOND_MS);
        yield itemOf(question, at) as never;
      }
      return { n, items };
    } finally {
      calls.stops(this.#process, request.id);
    }
  }

  #wait(longestMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#process.after(this.#process.chance.skewed(1, longestMs), resolve);
    });
  }
}

/** JSON, text and bytes, one after the other. */
function itemOf({ n, filler }: Question, at: number): object | string {
  const filling = 'x'.repeat(filler);
  if (at % 3 === 0) return { n, at, filling };
  const text = `${n}/${at}/${filling}`;
  return at % 3 === 1 ? text : new TextEncoder().encode(text);
}

function isItem(question: Question, at: number, item: unknown): boolean {
  const expected = itemOf(question, at);
  if (expected instanceof Uint8Array) {
    return item instanceof Uint8Array && Buffer.compare(item, expected) === 0;
  }
  return JSON.stringify(item) === JSON.stringify(expected);
}
