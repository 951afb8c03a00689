/**
 * The client's side of the control socket. Owns the greeting, what is on its way, and what is said
 * when the holder ends in the middle; it loads nothing that encrypts.
 */
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { JSONRPCClient, JSONRPCErrorException } from 'json-rpc-2.0';
import { version } from '../version.js';
import { CONTROL_PROTOCOL } from './api.js';
import type {
  ControlMethod,
  ControlNews,
  ErrorReport,
  Greeting,
  ParamsOf,
  ResultOf,
} from './api.js';
import { ControlError, controlError } from './error.js';
import { socketIsThere } from './socket-path.js';
import { openWire } from './wire.js';
import type { Wire } from './wire.js';

/** Called with what a holder tells. */
export type NewsListener = <N extends keyof ControlNews>(news: N, params: ControlNews[N]) => void;

/** A connection to the program that holds an agent. */
export class ControlClient {
  readonly #wire: Wire;
  readonly #rpc: JSONRPCClient;
  readonly #listeners = new Set<NewsListener>();
  readonly #ended = Promise.withResolvers<void>();
  #greeting: Greeting | null = null;
  #isLeaving = false;
  #isOver = false;

  private constructor(stream: Duplex) {
    this.#wire = openWire(stream, {
      line: (text) => this.#receive(text),
      closed: () => this.#end(),
    });
    this.#rpc = new JSONRPCClient((request) => this.#wire.send(request));
  }

  /**
   * Connects to a socket and says the versions. Null where nobody listens there. Rejects with
   * SOCKET_UNSAFE, HOLDER_VERSION or HOLDER_LOST.
   */
  static async connect(path: string, client = 'agentmesh'): Promise<ControlClient | null> {
    if (!socketIsThere(path)) return null;
    const stream = await connected(path);
    return stream === null ? null : ControlClient.over(stream, client);
  }

  /** The same over a connection that is there. */
  static async over(stream: Duplex, client = 'agentmesh'): Promise<ControlClient> {
    const made = new ControlClient(stream);
    try {
      made.#greeting = await made.call('hello', { protocol: CONTROL_PROTOCOL, version, client });
      return made;
    } catch (error) {
      made.close();
      throw error;
    }
  }

  /** What the holder has said of itself. */
  get greeting(): Greeting {
    if (this.#greeting === null) throw controlError('HOLDER_LOST');
    return this.#greeting;
  }

  /** Fulfilled when the connection has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Has the holder do something. Rejects with a `ControlError` that has the agent's code. */
  async call<M extends ControlMethod>(method: M, params: ParamsOf<M>): Promise<ResultOf<M>> {
    return (await this.request(method, params)) as ResultOf<M>;
  }

  /** The same with a method that no type names: a hub has others than an agent. */
  async request(method: string, params: object): Promise<unknown> {
    if (this.#isOver) throw controlError('HOLDER_LEAVING');
    try {
      return await this.#rpc.request(method, params);
    } catch (error) {
      throw errorOf(error);
    }
  }

  /** Listens to what the holder tells in the middle of requests that carry a `tag`. */
  onNews(listener: NewsListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#wire.end();
    this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #receive(text: string): void {
    let value: Record<string, unknown>;
    try {
      value = JSON.parse(text) as Record<string, unknown>;
    } catch {
      // Not a holder of ours: nothing it says can be used.
      this.#wire.destroy();
      return;
    }
    if (value['method'] === LEAVING) {
      this.#isLeaving = true;
      return;
    }
    if (typeof value['method'] === 'string') {
      for (const listener of this.#listeners)
        listener(value['method'] as never, value['params'] as never);
      return;
    }
    this.#rpc.receive(value as never);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#rpc.rejectAllPendingRequests(this.#isLeaving ? 'HOLDER_LEAVING' : 'HOLDER_LOST');
    this.#ended.resolve();
  }
}

/** Told last by a holder that ends in order: what it has not answered it has not begun. */
const LEAVING = 'leaving';

function errorOf(error: unknown): ControlError {
  if (error instanceof JSONRPCErrorException) {
    const report = error.data as Partial<ErrorReport> | undefined;
    if (typeof report?.code === 'string') {
      const { code, retryable = false, remedy = null } = report;
      return new ControlError({ code, retryable, message: error.message, remedy });
    }
    const { message } = error;
    if (message === 'HOLDER_LOST' || message === 'HOLDER_LEAVING') return controlError(message);
    return controlError('INTERNAL', message);
  }
  const text = error instanceof Error ? error.message : String(error);
  return controlError('INTERNAL', text, error);
}

/** Null where nobody listens: no socket, or one that a program has left behind. */
function connected(path: string): Promise<Duplex | null> {
  const socket = connect(path);
  return new Promise((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const isForbidden = error.code === 'EACCES' || error.code === 'EPERM';
      if (isForbidden) reject(controlError('SOCKET_UNSAFE', `${path}: ${error.code}`, error));
      // Nobody is there, or somebody who is about to leave.
      else resolve(null);
    });
  });
}
