/**
 * The way of every program to its agent: through the socket of whoever holds it, or by holding it
 * for as long as nobody else does. Owns that order, that nobody sees a locked store, and what
 * happens when a holder ends in the middle.
 */
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { ControlMethod, ControlNews, Greeting, ParamsOf, ResultOf } from '../control/api.js';
import { ControlClient } from '../control/client.js';
import type { NewsListener } from '../control/client.js';
import { ControlError, controlError } from '../control/error.js';
import { systemClock } from '../machine.js';
import type { Clock } from '../machine.js';
import type { AgentFiles } from '../profile/profile.js';
import type { HeldAgent, HoldOptions } from './held-agent.js';

/** How an agent is opened. */
export interface OpenControlOptions {
  /** Who asks, for the holder. */
  readonly client?: string | undefined;
  /** Passphrase of the key file. */
  readonly passphrase?: string | undefined;
  /** How long a program that holds the store may take to answer, in ms (default 15 seconds). */
  readonly patienceMs?: number | undefined;
  /** Closes it: what runs rejects with HOLDER_LOST. */
  readonly signal?: AbortSignal | undefined;
  /** Never holds it: NO_AGENT where nobody else does. */
  readonly onlyHeld?: boolean | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** How long a program that holds the store may take to answer: a hub may be slow. */
export const PATIENCE_MS = 15_000;
/** Between two looks. */
export const PAUSE_MS = 50;

/** Somebody waits for a command, and most of what it can do needs no hub. */
const CONNECT_MS = 3_000;

/** An opening that has taken longer is shared with others that wait for the agent. */
const SLOW_MS = 1_000;
/** How long it is then held at least: longer than others need to look. */
const SHARED_MS = 500;

interface Connection {
  readonly client: ControlClient;
  /** Where this process holds the agent. */
  readonly held: HeldAgent | null;
  /** Until then others may want to use it. */
  readonly sharedUntilMs: number;
}

/**
 * Opens the way to an agent. Rejects with NO_AGENT, HOLDER_SILENT, HOLDER_VERSION, SOCKET_UNSAFE,
 * and what `Agent.create` rejects with.
 */
export async function openControl(
  files: AgentFiles,
  options: OpenControlOptions = {},
): Promise<Control> {
  const control = new Control(files, options);
  try {
    await control.connect();
    return control;
  } catch (error) {
    await control.close();
    throw error;
  }
}

/** An agent that can be used, whoever holds it, over any number of holders. */
export class Control {
  readonly #files: AgentFiles;
  readonly #options: OpenControlOptions;
  readonly #clock: Clock;
  readonly #listeners = new Set<NewsListener>();
  readonly #lost = new Set<() => void>();
  #connecting: Promise<Connection> | null = null;
  #tags = 0;
  /** Until then another program is to hold the agent. */
  #guestUntilMs = -Infinity;
  #handedOver: Promise<void> = Promise.resolve();
  readonly #closing = new AbortController();
  #closed: Promise<void> | null = null;

  constructor(files: AgentFiles, options: OpenControlOptions) {
    this.#files = files;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { signal } = options;
    if (signal?.aborted === true) void this.#close(false);
    signal?.addEventListener('abort', () => void this.#close(false), { once: true });
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Whether this process holds the agent now, for want of another. */
  async isHolder(): Promise<boolean> {
    return (await this.#connection()).held !== null;
  }

  /** Addresses of the hub while it is away; null where it is there, or none is wanted. */
  async hubsAway(): Promise<string | null> {
    const { connection, hubs } = await this.call('whoami', {});
    return connection === 'offline' ? hubs.join(', ') : null;
  }

  /** What the holder has said of itself. */
  async greeting(): Promise<Greeting> {
    return (await this.#connection()).client.greeting;
  }

  /** Connects now rather than with the first call. */
  async connect(): Promise<void> {
    await this.#connection();
  }

  /**
   * Has the holder do something. Where it ends meanwhile, the next one goes on with what can be
   * repeated or is kept already; what may or may not have been done rejects with HOLDER_LOST.
   */
  async call<M extends ControlMethod>(method: M, params: ParamsOf<M>): Promise<ResultOf<M>> {
    if (method === 'ask') {
      const asked: unknown = await this.#ask(params as ParamsOf<'ask'>);
      return asked as ResultOf<M>;
    }
    const { tag = this.#newTag(), ...rest } = params as { readonly tag?: string };
    const isTagged = method === 'send' || method === 'call';
    const sent = (isTagged ? { ...rest, tag } : params) as ParamsOf<M>;
    const forget = isTagged ? this.#storedId(tag) : null;
    try {
      // The time that a method may take begins when there is somebody to do it.
      await this.#connection();
      const startMs = this.#clock();
      return await this.#repeat(method, () => remaining(sent, this.#clock() - startMs));
    } catch (error) {
      const id = forget?.id() ?? null;
      if (id === null || !isCode(error, 'HOLDER_LOST')) throw error;
      // It is kept, and goes out when the agent is held again.
      const { to } = params as ParamsOf<'send'>;
      const kept: unknown =
        method === 'call' ? await this.call('call_status', { id }) : { id, to, state: 'queued' };
      return kept as ResultOf<M>;
    } finally {
      forget?.end();
    }
  }

  /** Listens to what holders tell in the middle of requests that carry a `tag`. */
  onNews(listener: NewsListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Told that the holder has ended: the next call goes to another one. */
  onLost(listener: () => void): () => void {
    this.#lost.add(listener);
    return () => void this.#lost.delete(listener);
  }

  /** Lets go of the agent, once other programs that use it here got what they asked for. */
  close(): Promise<void> {
    return this.#close(true);
  }

  #close(patient: boolean): Promise<void> {
    this.#closed ??= this.#letGo(patient);
    return this.#closed;
  }

  async #letGo(patient: boolean): Promise<void> {
    this.#closing.abort();
    const connection = await this.#connecting?.catch(() => null);
    this.#connecting = null;
    connection?.client.close();
    if (connection?.held != null) {
      const { held, sharedUntilMs } = connection;
      if (patient) await pause(Math.max(0, sharedUntilMs - this.#clock()));
      await held.close({ patient });
    }
    await this.#handedOver;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A request outlives its holder: the next one is asked what became of it. */
  async #ask(params: ParamsOf<'ask'>): Promise<ResultOf<'ask'>> {
    const { tag = this.#newTag(), waitMs } = params;
    await this.#connection();
    const stored = this.#storedId(tag);
    const startMs = this.#clock();
    const leftMs = (): number | undefined =>
      waitMs === undefined ? undefined : Math.max(0, waitMs - (this.#clock() - startMs));
    try {
      let state = await this.#repeat('ask', () => ({ ...params, tag, waitMs: leftMs() })).catch(
        (error: unknown) => {
          if (stored.id() === null || !isCode(error, 'HOLDER_LOST')) throw error;
          return null;
        },
      );
      const id = state?.id ?? stored.id() ?? '';
      while (state === null || (state.state === 'open' && leftMs() !== 0)) {
        const wait = { id, waitMs: leftMs() ?? LONG_MS };
        state = await this.#repeat('call_status', () => wait);
      }
      return state;
    } finally {
      stored.end();
    }
  }

  async #repeat<M extends ControlMethod>(
    method: M,
    params: () => ParamsOf<M>,
  ): Promise<ResultOf<M>> {
    for (;;) {
      const connecting = this.#connection();
      const { client } = await connecting;
      try {
        return await client.call(method, params());
      } catch (error) {
        // A holder that is leaving has begun nothing.
        const isAgain = isCode(error, 'HOLDER_LEAVING') || isLostAndSafe(error, method);
        if (this.#connecting === connecting && isEnd(error)) this.#connecting = null;
        if (!isAgain) throw error;
        client.close();
      }
    }
  }

  #connection(): Promise<Connection> {
    if (this.#isClosed) return Promise.reject(closedHere());
    if (this.#connecting !== null) return this.#connecting;
    const connecting = this.#connect();
    this.#connecting = connecting;
    connecting.catch(() => {
      if (this.#connecting === connecting) this.#connecting = null;
    });
    return connecting;
  }

  async #connect(): Promise<Connection> {
    const { client: name, patienceMs = PATIENCE_MS, passphrase, onlyHeld = false } = this.#options;
    const { socket, keys, store } = this.#files;
    const untilMs = this.#clock() + patienceMs;
    for (;;) {
      if (this.#isClosed) throw closedHere();
      const client = await ControlClient.connect(socket, name).catch(goneAsNull);
      if (client !== null) return this.#connected(client);
      if (onlyHeld || !existsSync(keys)) throw controlError('NO_AGENT');
      const startMs = this.#clock();
      const held = startMs < this.#guestUntilMs ? null : await this.#hold(passphrase);
      if (held !== null) {
        const isSlow = this.#clock() - startMs > SLOW_MS;
        return this.#connected(await throughOwn(held, socket, name), held, isSlow ? SHARED_MS : 0);
      }
      // It is being opened or closed, or its program does not serve.
      if (this.#clock() > untilMs) throw controlError('HOLDER_SILENT', store);
      await pause(PAUSE_MS);
    }
  }

  /** Stands in as the holder for as long as nobody wants to be it; null where somebody is. */
  #hold(passphrase: string | undefined): Promise<HeldAgent | null> {
    const holding = hold(this.#files, {
      passphrase,
      connectMs: CONNECT_MS,
      signal: this.#closing.signal,
      handOver: () => {
        this.#handedOver = this.#handOver(holding);
      },
    });
    return holding;
  }

  /** What was asked here goes on through the new holder. */
  async #handOver(holding: Promise<HeldAgent | null>): Promise<void> {
    this.#guestUntilMs = this.#clock() + PATIENCE_MS;
    this.#connecting = null;
    await (await holding)?.close();
  }

  #connected(client: ControlClient, held: HeldAgent | null = null, sharedMs = 0): Connection {
    client.onNews((news, params) => {
      for (const listener of this.#listeners) listener(news, params);
    });
    void this.#tellLost(client);
    return { client, held, sharedUntilMs: this.#clock() + sharedMs };
  }

  async #tellLost(client: ControlClient): Promise<void> {
    await client.ended;
    if (!this.#isClosed) for (const listener of this.#lost) listener();
  }

  #newTag(): string {
    this.#tags += 1;
    return `request ${this.#tags}`;
  }

  /** The id under which a request is kept, once its holder has said so. */
  #storedId(tag: string): { readonly id: () => string | null; readonly end: () => void } {
    let id: string | null = null;
    const end = this.onNews((news, params) => {
      if (news === 'stored' && params.tag === tag) id = (params as ControlNews['stored']).id;
    });
    return { id: () => id, end };
  }
}

/** As long as anybody waits. */
const LONG_MS = 30 * 86_400_000;

/** Methods that may be done twice. */
const SAFE: readonly ControlMethod[] = [
  'whoami',
  'status',
  'peers',
  'names',
  'calls',
  'call_status',
  'read',
  'inbox',
  'wait',
  'extend',
  'release',
  'contacts',
  'accept',
  'deny',
  'verify',
  'dead_letters',
];

function isLostAndSafe(error: unknown, method: ControlMethod): boolean {
  return isCode(error, 'HOLDER_LOST') && SAFE.includes(method);
}

function isEnd(error: unknown): boolean {
  return isCode(error, 'HOLDER_LEAVING') || isCode(error, 'HOLDER_LOST');
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof ControlError && error.code === code;
}

/** Parameters whose waiting has begun before. */
function remaining<P>(params: P, elapsedMs: number): P {
  const { waitMs } = params as { readonly waitMs?: number };
  if (waitMs === undefined) return params;
  return { ...params, waitMs: Math.max(0, waitMs - elapsedMs) };
}

function closedHere(): ControlError {
  return controlError('HOLDER_LOST', 'closed here');
}

/** The way through our own socket is the same as everybody's. */
async function throughOwn(
  held: HeldAgent,
  socket: string,
  name: string | undefined,
): Promise<ControlClient> {
  try {
    const client = await ControlClient.connect(socket, name);
    if (client === null) throw controlError('HOLDER_LOST');
    return client;
  } catch (error) {
    await held.close();
    throw error;
  }
}

/** Null while another program has the store. What encrypts is loaded only here. */
async function hold(files: AgentFiles, options: HoldOptions): Promise<HeldAgent | null> {
  const { holdAgent } = await import('./held-agent.js');
  return holdAgent(files, options).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'STORE_LOCKED') return null;
    throw error;
  });
}

/** A holder that ends while it is greeted is none. */
function goneAsNull(error: unknown): null {
  if (isEnd(error)) return null;
  throw error;
}
