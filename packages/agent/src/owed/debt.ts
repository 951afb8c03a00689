/**
 * One kind of thing that is owed to peers: for each peer a timer until it is said, and said again
 * after longer and longer waits where that is wanted. Owns the timers; that something is owed is
 * known to the next run from a row of the store.
 */
import { fromHex, toHex } from '@agentmesh/crypto';
import type { Runtime } from '../ground/runtime.js';

/** What is said again is said after four times the wait. */
const FACTOR = 4;

/** What follows once it was said: nothing, more of it, or the same again after a longer wait. */
export type Next = 'done' | 'more' | 'again';

/** When it is said, how often, and how. */
export interface Terms {
  readonly firstMs: number;
  /** How often it is said again without an answer; once for what needs none. */
  readonly attempts: number;
  /** What comes after a quiet time is said at once; what follows within `firstMs` waits for it. */
  readonly leads?: boolean;
  /** Says it. Never rejects. */
  readonly say: (aid: Uint8Array) => Promise<Next>;
}

/** What is owed to one peer. */
interface Entry {
  readonly attempt: number;
  /** Null while it is being said. */
  readonly cancel: (() => void) | null;
  /** It was said a moment ago: nothing is owed, unless more has come. */
  readonly isResting?: boolean;
  /** More has come while it was being said. */
  isMore: boolean;
}

/** What is owed to all peers; keys are aids in hex. */
export class Debt {
  readonly #runtime: Pick<Runtime, 'schedule'>;
  readonly #terms: Terms;
  readonly #entries = new Map<string, Entry>();
  readonly #saying = new Set<Promise<Next>>();
  #isRunning = false;

  constructor(runtime: Pick<Runtime, 'schedule'>, terms: Terms) {
    this.#runtime = runtime;
    this.#terms = terms;
  }

  /** Before this nothing is said, as where there is no hub. */
  start(): void {
    this.#isRunning = true;
  }

  stop(): void {
    this.#isRunning = false;
    for (const { cancel } of this.#entries.values()) cancel?.();
  }

  /** It is owed to this peer from now on: said soon, together with what comes meanwhile. */
  due(aid: Uint8Array, attempt = 0): void {
    const key = toHex(aid);
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      entry.isMore ||= entry.cancel === null || entry.isResting === true;
      return;
    }
    const { firstMs, attempts, leads = false } = this.#terms;
    if (!this.#isRunning || attempt >= attempts) return;
    if (leads) return void this.pay(aid);
    const cancel = this.#runtime.schedule(firstMs * FACTOR ** attempt, () => void this.pay(aid));
    this.#entries.set(key, { attempt, cancel, isMore: false });
  }

  /** The same, after the first wait even where it was said before. */
  dueAnew(aid: Uint8Array): void {
    if ((this.#entries.get(toHex(aid))?.attempt ?? 0) > 0) this.forgive(aid);
    this.due(aid);
  }

  /** The same, now that there is reason to hope for an answer: soon, and as if never said. */
  dueSoon(aid: Uint8Array, delayMs: number): void {
    if (!this.#isRunning) return;
    this.forgive(aid);
    const key = toHex(aid);
    if (this.#entries.has(key)) return this.due(aid);
    const cancel = this.#runtime.schedule(delayMs, () => void this.pay(aid));
    this.#entries.set(key, { attempt: 0, cancel, isMore: false });
  }

  /** Whether it is owed to this peer. */
  has(aid: Uint8Array): boolean {
    return this.#entries.has(toHex(aid));
  }

  /** It is not owed any more. */
  forgive(aid: Uint8Array): void {
    const key = toHex(aid);
    const cancel = this.#entries.get(key)?.cancel;
    if (cancel === null || cancel === undefined) return;
    cancel();
    this.#entries.delete(key);
  }

  /** Says it now. */
  async pay(aid: Uint8Array): Promise<void> {
    const key = toHex(aid);
    const { attempt = 0, cancel } = this.#entries.get(key) ?? {};
    if (!this.#isRunning || cancel === null) return this.due(aid);
    cancel?.();
    const entry: Entry = { attempt, cancel: null, isMore: false };
    this.#entries.set(key, entry);
    const saying = this.#terms.say(aid);
    this.#saying.add(saying);
    const next = await saying;
    this.#saying.delete(saying);
    this.#entries.delete(key);
    const isPortion = next === 'more';
    // A full portion has all the company that there is room for.
    if (this.#terms.leads === true && !isPortion) this.#rest(key, aid, entry.isMore);
    else if (next === 'again') this.due(aid, attempt + 1);
    else if (isPortion || entry.isMore) this.due(aid);
  }

  /** For a while more waits for company. */
  #rest(key: string, aid: Uint8Array, isMore: boolean): void {
    if (!this.#isRunning) return;
    const cancel = this.#runtime.schedule(this.#terms.firstMs, () => {
      const isOwed = this.#entries.get(key)?.isMore === true;
      this.#entries.delete(key);
      if (isOwed) void this.pay(aid);
    });
    this.#entries.set(key, { attempt: 0, cancel, isResting: true, isMore });
  }

  /**
   * Says all that is owed now, what is being said already included: before the agent goes. What
   * comes while it is being said is said too.
   */
  async flush(): Promise<void> {
    for (;;) {
      const owed = [...this.#entries].filter(
        ([, { cancel, isResting, isMore }]) => cancel !== null && (isResting !== true || isMore),
      );
      for (const [key] of owed) void this.pay(fromHex(key));
      if (this.#saying.size === 0) return;
      await Promise.all(this.#saying);
    }
  }
}
