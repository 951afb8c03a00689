/**
 * Wakes a program when mail comes: takes messages, runs the program on them, and does with them
 * what its exit code says. Owns that no message is given to two runs, that leases last as long as
 * runs, and that nothing is decided about a message whose run was lost.
 */
import type { Mail, ParamsOf } from '../control/api.js';
import { ControlError } from '../control/error.js';
import type { Control } from '../holder/open-control.js';
import { runExec } from './exec.js';
import type { ExecEnd } from './exec.js';
import type { KnownContract } from '../profile/contracts.js';

/** What wakes, and how. */
export interface WakeOptions {
  readonly command: string;
  /** Gathers messages for so long, and runs the program once for all; 0: one at a time. */
  readonly batchMs: number;
  readonly concurrency: number;
  readonly from: string | undefined;
  readonly limitMs: number;
  /** Requests for its operations are checked, and answered in JSON; others are refused. */
  readonly contract?: KnownContract | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Told what the program writes to standard error. */
  readonly complain: (text: string) => void;
  /** How long a message is ours before that is said again (default 15 seconds). */
  readonly leaseMs?: number | undefined;
  /** When a message comes again that was to come later (default half a minute). */
  readonly laterMs?: number | undefined;
  /** Told of each run that has ended. */
  readonly ended: (mails: readonly Mail[], end: ExecEnd) => void;
}

/** Exit codes that say something else than success or failure. */
const REFUSED = 65;
const AGAIN = 75;

const LEASE_MS = 15_000;
/** How long a message waits that was to come again later. */
const LATER_MS = 30_000;
const WAIT_MS = 3_600_000;
const MOST_IN_BATCH = 100;
/** Before the agent is asked again, where it could not be. */
const PAUSE_MS = 1_000;

/** One listener of one agent. */
export class Listener {
  readonly #control: Control;
  readonly #options: WakeOptions;
  readonly #leaseMs: number;
  readonly #stopping = new AbortController();
  readonly #runs = new Set<Promise<void>>();
  /** Messages that a run has, by sender and id. */
  readonly #taken = new Set<string>();

  constructor(control: Control, options: WakeOptions) {
    this.#control = control;
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
  }

  /** Runs until it is stopped; rejects where the agent cannot be used at all. */
  async run(): Promise<void> {
    // The next holder is told at once: while a run lasts nobody else may begin one.
    const forget = this.#control.onLost(() => {
      if (this.#runs.size > 0) this.#control.call('listen', {}).catch(() => undefined);
    });
    try {
      await this.#untilStopped();
    } finally {
      forget();
    }
  }

  async #untilStopped(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const { concurrency } = this.#options;
      if (this.#runs.size >= concurrency) {
        await Promise.race(this.#runs);
        continue;
      }
      const mails = await this.#next();
      if (mails.length === 0) continue;
      const run: Promise<void> = this.#serve(mails).finally(() => this.#runs.delete(run));
      this.#runs.add(run);
    }
    await Promise.all(this.#runs);
  }

  /** Takes nothing more; `run` resolves when what runs has ended. */
  stop(): void {
    this.#stopping.abort();
  }

  /** What the program is to be run on next. */
  async #next(): Promise<readonly Mail[]> {
    const { batchMs, from } = this.#options;
    const first = await this.#take(batchMs === 0 ? 1 : MOST_IN_BATCH, WAIT_MS, from);
    if (batchMs === 0 || first.length === 0) return first;
    await pause(batchMs, this.#stopping.signal);
    const room = MOST_IN_BATCH - first.length;
    return room === 0 ? first : [...first, ...(await this.#take(room, 0, from))];
  }

  async #take(max: number, waitMs: number, from: string | undefined): Promise<readonly Mail[]> {
    const { signal } = this.#stopping;
    const stopped = Promise.withResolvers<null>();
    const stop = (): void => stopped.resolve(null);
    signal.addEventListener('abort', stop, { once: true });
    const asked = this.#ask(max, waitMs, from);
    try {
      const taken = await Promise.race([asked, stopped.promise]);
      if (taken !== null) return taken;
      // What still comes is given back.
      void asked.then(
        (mails) => this.#giveBack(mails),
        () => undefined,
      );
      return [];
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  async #ask(max: number, waitMs: number, from: string | undefined): Promise<readonly Mail[]> {
    // Said again each time: a new holder does not know.
    await this.#control.call('listen', {});
    const leaseMs = this.#leaseMs;
    const { messages } = await this.#control.call('inbox', { max, waitMs, leaseMs, from });
    // Nor does it know of leases: what a run has already is not run again.
    return messages.filter((mail) => !this.#taken.has(keyOf(mail)));
  }

  async #giveBack(mails: readonly Mail[]): Promise<void> {
    for (const mail of mails) await this.#settle('release', mail, {});
  }

  async #serve(mails: readonly Mail[]): Promise<void> {
    const unwanted = new AbortController();
    for (const mail of mails) this.#taken.add(keyOf(mail));
    const stopExtending = this.#keepLeases(mails, () => unwanted.abort());
    try {
      if (await this.#refused(mails)) return;
      const end = await runExec(mails, this.#options, unwanted.signal);
      this.#options.ended(mails, end);
      for (const mail of mails) await this.#decide(mail, end, mails.length === 1);
    } finally {
      stopExtending();
      for (const mail of mails) this.#taken.delete(keyOf(mail));
    }
  }

  /** Whether a request does not fit the contract; its caller is told why. */
  async #refused(mails: readonly Mail[]): Promise<boolean> {
    const { contract } = this.#options;
    const [mail] = mails;
    if (contract === undefined || mail === undefined) return false;
    const { refusalOf } = await import('./operations.js');
    const reason = await refusalOf(mail, contract);
    if (reason === null) return false;
    await this.#settle('refuse', mail, { reason: reason.slice(0, 1_000) });
    return true;
  }

  /** Leases last as long as the run; one whose messages are all gone is not wanted any more. */
  #keepLeases(mails: readonly Mail[], onGone: () => void): () => void {
    const left = new Set(mails);
    const timer = setInterval(() => {
      for (const mail of left) {
        const { id, address } = mail;
        const extended = this.#control.call('extend', {
          id,
          from: address,
          leaseMs: this.#leaseMs,
        });
        extended.catch((error: unknown) => {
          if (!isCode(error, 'NO_MESSAGE')) return;
          left.delete(mail);
          if (left.size === 0) onGone();
        });
      }
    }, this.#leaseMs / 3);
    return () => clearInterval(timer);
  }

  /** `isAlone`: what the program wrote is the answer to this message. */
  async #decide(mail: Mail, end: ExecEnd, isAlone: boolean): Promise<void> {
    if (end.kind === 'lost') return this.#settle('fail', mail, { reason: end.reason });
    const { code, output } = end;
    if (code === REFUSED) return this.#settle('refuse', mail, { reason: firstOf(output) });
    if (code === AGAIN)
      return this.#settle('extend', mail, { leaseMs: this.#options.laterMs ?? LATER_MS });
    if (code !== 0) return this.#settle('fail', mail, { reason: `exit ${code}` });
    if (mail.asks === null || !isAlone) return this.#settle('ack', mail, {});
    const { contract } = this.#options;
    if (contract !== undefined && mail.asks.op !== null) {
      const { answerFrom } = await import('./operations.js');
      const answer = await answerFrom(output, mail, contract);
      if ('misfit' in answer) return this.#settle('fail', mail, { reason: answer.misfit });
      return this.#settle('reply', mail, answer);
    }
    return this.#settle('reply', mail, { text: output.replace(/\n$/, '') });
  }

  /** Until it is decided, or the message is gone: the program may have decided itself. */
  async #settle(
    method: 'ack' | 'extend' | 'fail' | 'refuse' | 'release' | 'reply',
    { id, address }: Mail,
    more: object,
  ): Promise<void> {
    for (;;) {
      try {
        const params = { id, from: address, ...more } as ParamsOf<typeof method>;
        await this.#control.call(method, params);
        return;
      } catch (error) {
        if (!(error instanceof ControlError) || !isPassing(error)) return;
        await pause(PAUSE_MS, new AbortController().signal);
      }
    }
  }
}

/** A refusal or an answer is at most so long; the rest is cut by the agent. */
function firstOf(output: string): string {
  const text = output.trim();
  return text === '' ? 'refused' : text.slice(0, 1_000);
}

function keyOf({ address, id }: Mail): string {
  return `${address} ${id}`;
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof ControlError && error.code === code;
}

function isPassing({ code, retryable }: ControlError): boolean {
  return retryable && code !== 'HOLDER_SILENT';
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    }
    signal.addEventListener('abort', end);
  });
}
