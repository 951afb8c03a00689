/**
 * One connection to the holder: greets first, then does what it is asked. Owns the order of that,
 * the checks of parameters and what errors look like; methods are in `methods`.
 */
import { JSONRPCServer } from 'json-rpc-2.0';
import type { JSONRPCRequest, JSONRPCResponse } from 'json-rpc-2.0';
import type { z } from 'zod';
import { CONTROL_PROTOCOL } from './api.js';
import type { ControlMethod, Greeting } from './api.js';
import { controlError } from './error.js';
import type { MethodWorks, Visitor } from './hold.js';
import { requestIn } from './requests.js';
import { errorResponse, faultResponse } from './rpc-codes.js';
import { METHODS } from './schemas.js';
import type { Wire } from './wire.js';

/** Requests of one connection that are being done. */
const MOST_AT_ONCE = 256;

/** What a connection works with. */
export interface SessionParts {
  readonly works: MethodWorks<Exclude<ControlMethod, 'hello'>>;
  readonly greeting: () => Greeting;
  readonly wire: Wire;
  /** Whether nothing new is begun any more. */
  readonly isLeaving: () => boolean;
}

/** The holder's side of one connection. */
export class Session {
  readonly #parts: SessionParts;
  readonly #rpc = new JSONRPCServer<Visitor>({ errorListener: () => undefined });
  readonly #gone = new AbortController();
  readonly #leaving = new AbortController();
  readonly #visitor: Visitor;
  #isGreeted = false;
  #running = 0;
  #onIdle: () => void = () => undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    const { wire } = parts;
    this.#visitor = {
      gone: this.#gone.signal,
      signal: AbortSignal.any([this.#gone.signal, this.#leaving.signal]),
      tell: (method, params) => wire.send({ jsonrpc: '2.0', method, params }),
    };
    this.#rpc.mapErrorToJSONRPCErrorResponse = (id, error) => errorResponse(id ?? null, error);
    for (const method of Object.keys(METHODS) as ControlMethod[]) {
      this.#rpc.addMethod(method, (params, visitor) => this.#do(method, params, visitor));
    }
    this.#rpc.handleMethodNotFound = async ({ id, method }) =>
      id === undefined
        ? null
        : errorResponse(id, controlError('NO_SUCH_METHOD', method.slice(0, 64)));
  }

  /** A line has come. */
  async receive(text: string): Promise<void> {
    const { wire } = this.#parts;
    const request = requestIn(text);
    if (typeof request === 'string') return wire.send(faultResponse(request));
    this.#running += 1;
    try {
      const response = await this.#answer(request);
      if (response !== null) wire.send(response);
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#onIdle();
    }
  }

  /** The connection is gone. */
  end(): void {
    this.#gone.abort();
  }

  /** The holder is about to end: what only waits, ends. */
  leave(): void {
    this.#leaving.abort();
  }

  /** Nothing is begun any more: where all is answered, whoever asks again loses nothing. */
  sayGoodbye(): void {
    const { wire } = this.#parts;
    if (this.#running === 0) wire.send({ jsonrpc: '2.0', method: 'leaving' });
    wire.end();
  }

  /** Resolves when nothing is being done. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      if (this.#running === 0) resolve();
    });
  }

  async #answer(request: JSONRPCRequest): Promise<JSONRPCResponse | null> {
    if (this.#running > MOST_AT_ONCE) {
      return errorResponse(request.id ?? null, controlError('TOO_MANY_REQUESTS'));
    }
    return this.#rpc.receive(request, this.#visitor);
  }

  async #do(method: ControlMethod, params: unknown, visitor: Visitor): Promise<unknown> {
    const { works, greeting, isLeaving } = this.#parts;
    if (!this.#isGreeted && method !== 'hello') {
      throw controlError('BAD_REQUEST', 'the first request of a connection is hello');
    }
    if (isLeaving()) throw controlError('HOLDER_LEAVING');
    const read = METHODS[method].params.safeParse(params ?? {});
    if (!read.success) throw controlError('BAD_REQUEST', faultIn(method, read.error));
    if (method === 'hello') {
      const own = greeting();
      const { protocol, version } = read.data as { protocol: number; version: string };
      if (protocol !== CONTROL_PROTOCOL) {
        throw controlError('HOLDER_VERSION', `holder ${own.version}, here ${version}`);
      }
      this.#isGreeted = true;
      return own;
    }
    const work = works[method] as (params: unknown, visitor: Visitor) => unknown;
    const result = await work(read.data, visitor);
    // What was waited for may still come: to whoever asks the next holder.
    if (this.#leaving.signal.aborted && isWait(method, result))
      throw controlError('HOLDER_LEAVING');
    return result;
  }
}

/** Whether a method has waited for nothing. */
function isWait(method: ControlMethod, result: unknown): boolean {
  const { messages, waiting, state, parts, end } = result as Record<string, unknown>;
  if (method === 'read') return Array.isArray(parts) && parts.length === 0 && end === null;
  if (method === 'inbox') return Array.isArray(messages) && messages.length === 0;
  return method === 'wait' ? waiting === 0 : method === 'call_status' && state === 'open';
}

function faultIn(method: ControlMethod, error: z.ZodError): string {
  const [first] = error.issues;
  const where = first === undefined ? '' : first.path.join('.');
  return `${method}${where === '' ? '' : `: ${where}`}: ${first?.message ?? ''}`;
}
