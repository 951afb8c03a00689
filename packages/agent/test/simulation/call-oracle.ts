/**
 * What must be true of requests and streams, whatever goes wrong: each ends once for its caller,
 * with its own answer or with an error that has a reason; each stream is exactly its items. Owns
 * the record of who asked what and the judgement; commits are judged by `call-holdings`.
 */
import type { Holdings } from './holdings.js';
import type { Oracle } from './oracle.js';
import type { Process } from './machine.js';

/** What a handler does with a request of the workload. */
export type Manner = 'quick' | 'slow' | 'throws' | 'refuses' | 'hangs' | 'step' | 'nested';

/** A request of the workload, as its payload says it. */
export interface Question {
  readonly asks: true;
  readonly n: number;
  readonly manner: Manner;
  /** Items of a stream; 0 for a request. */
  readonly items: number;
  /** Bytes that each item has beside what it says. */
  readonly filler: number;
  /** Whom the handler asks. */
  readonly third: string | null;
}

/** What is known of one. */
export interface Ask {
  readonly question: Question;
  readonly from: string;
  readonly to: string;
  readonly isStream: boolean;
  readonly timeoutMs: number;
  /** The store that it was asked on, and when. */
  readonly store: Holdings;
  readonly askedMs: number;
  /** Committed, as far as its program knows. */
  id: string | null;
  /** Its program gave it up. */
  isCancelled: boolean;
  /** By store: what its program was told, and how many items it has read. */
  readonly ends: Map<Holdings, string>;
  readonly read: Map<Holdings, number>;
}

/** Ends that need no fault to explain them. */
const USUAL = new Set(['answered', 'DEADLINE', 'CANCELLED', 'FAILED', 'NOPE', 'REFUSED']);
/** Ends where stores lost what they had promised. */
const BY_LOSS = new Set(['STREAM_BROKEN', 'STREAM_RESTARTED']);

export class CallOracle {
  readonly asks: Ask[] = [];
  readonly #oracle: Oracle;
  /** Runs of handlers now, by process. */
  readonly #running = new WeakMap<Process, Set<string>>();

  constructor(oracle: Oracle) {
    this.#oracle = oracle;
  }

  /** Something new to ask. */
  add(
    ask: Pick<Ask, 'from' | 'to' | 'timeoutMs' | 'askedMs'>,
    question: Omit<Question, 'asks' | 'n'>,
  ): Ask {
    const made: Ask = {
      ...ask,
      question: { asks: true, n: this.asks.length + 1, ...question },
      isStream: question.items > 0,
      store: this.#oracle.holdingsOf(ask.from),
      id: null,
      isCancelled: false,
      ends: new Map(),
      read: new Map(),
    };
    this.asks.push(made);
    return made;
  }

  /** The one behind a request of a store; undefined where the store never had it. */
  find(id: string, store: Holdings): Ask | undefined {
    const n = store.calls.asked.get(id);
    return n === undefined ? undefined : this.asks[n - 1];
  }

  /** A handler begins to work on a request. */
  begins(process: Process, name: string, request: { id: string; deadlineMs: number }): void {
    const { id, deadlineMs } = request;
    const running = this.#running.get(process) ?? new Set();
    this.#running.set(process, running);
    if (running.has(id)) this.#fail(`${name} runs ${id} twice at once`);
    running.add(id);
    const { answers } = this.#oracle.holdingsOf(name).calls;
    if (answers.has(id)) this.#fail(`${name} runs ${id}, which it has answered`);
    if (deadlineMs <= process.now()) this.#fail(`${name} runs ${id} after its deadline`);
  }

  /** It works on it no more. */
  stops(process: Process, id: string): void {
    this.#running.get(process)?.delete(id);
  }

  /** A program reads an item of a stream. */
  item(ask: Ask, store: Holdings, at: number, isRight: boolean): void {
    const read = readOf(ask, store);
    const { n, items } = ask.question;
    if (at > read) this.#fail(`item ${at} of ${n} comes after ${read}`);
    if (at >= items) this.#fail(`item ${at} of ${n} is more than there are`);
    if (!isRight) this.#fail(`item ${at} of ${n} is another one`);
    ask.read.set(store, Math.max(read, at + 1));
  }

  /** A program was told how its request ended. */
  ended(ask: Ask, store: Holdings, code: string, what: string): void {
    const { n, items } = ask.question;
    const before = ask.ends.get(store);
    // Whoever gives something up is told so by its own call, and why by a later run.
    const now = code === 'CANCELLED' ? code : `${code} ${what}`;
    if (before !== undefined && before !== now) this.#fail(`${n} ended twice: ${before}, ${now}`);
    ask.ends.set(store, now);
    if (code === 'CANCELLED' && !ask.isCancelled) this.#fail(`${n} was cancelled by nobody`);
    if (BY_LOSS.has(code)) {
      if (this.#isWhole(ask)) this.#fail(`${n} ended with ${code}, and no store was lost`);
    } else if (!USUAL.has(code) && !this.#isGivenUp(ask, code)) {
      this.#fail(`${n} ended with ${now}`);
    }
    const isShort = ask.isStream && code === 'answered' && readOf(ask, store) !== items;
    if (isShort) this.#fail(`${n} ended after ${readOf(ask, store)} of ${items} items`);
  }

  /** A restored hub may not know the callee, or one side has followed another identity since. */
  #isGivenUp({ from, to }: Ask, code: string): boolean {
    if (code !== 'UNDELIVERED') return false;
    if (this.#oracle.hubWentBack) return true;
    return [from, to].some((name) => this.#oracle.hasFollowed(name));
  }

  /** Neither side's store was ever lost or put back. */
  #isWhole({ from, to }: Ask): boolean {
    return !this.#oracle.wasReplaced(from) && !this.#oracle.wasReplaced(to);
  }

  /** Those whose store has them and whose end nobody was told. */
  owing(): readonly Ask[] {
    return this.asks.filter(({ from, id, ends, store }) => {
      const now = this.#oracle.holdingsOf(from);
      return id !== null && now === store && !ends.has(now);
    });
  }

  /** How often calls ended in each way. */
  counts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { ends, isStream } of this.asks) {
      for (const end of ends.values()) {
        const [code = ''] = end.split(' ');
        const name = `${isStream ? 'stream' : 'request'} ${code}`;
        counts[name] = (counts[name] ?? 0) + 1;
      }
    }
    return counts;
  }

  #fail(what: string): void {
    this.#oracle.fail(what);
  }
}

/** How many items were read over this store: one that was put back goes on in between. */
function readOf({ read, id }: Ask, store: Holdings): number {
  return read.get(store) ?? store.calls.read.get(id ?? '') ?? 0;
}
