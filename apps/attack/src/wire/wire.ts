/**
 * One connection to a hub without manners: it says any text or frame, in any order, and keeps what
 * comes back. Owns the socket and the waiting; judges nothing. Deliberately not `hub-client`.
 */
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import {
  acceptHello,
  createAuth,
  createBegin,
  encodeFrame,
  NO_CHANNEL_BINDING,
  parseHubFrame,
  systemRandom,
} from '@agentmesh/protocol';
import type {
  AuthFrame,
  ChannelBinding,
  ClientFrame,
  HubCredentials,
  HubFrame,
  ProvedHub,
  RequestFrame,
  Spoken,
} from '@agentmesh/protocol';
import { CannotTry } from '../attack.js';
import type { Target } from '../target.js';

type WithoutId<F> = F extends { id: number } ? Omit<F, 'id'> : never;
type FrameOf<T extends HubFrame['type']> = Extract<HubFrame, { type: T }>;

/** How long an answer may take. */
const PATIENCE_MS = 15_000;

/** Opens a socket; through the TLS handshake if the target wants it. */
export async function dial({ host, port, secure }: Target): Promise<Socket> {
  const socket: Socket = secure
    ? connectTls({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    : connectTcp({ host, port });
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  const opened = Promise.withResolvers<boolean>();
  socket.once(secure ? 'secureConnect' : 'connect', () => opened.resolve(true));
  socket.once('close', () => opened.resolve(false));
  if (!(await opened.promise)) throw new CannotTry(`${host}:${port} takes no connection`);
  return socket;
}

function bindingOf(socket: Socket, isSecure: boolean): ChannelBinding {
  if (!isSecure) return NO_CHANNEL_BINDING;
  const label = 'EXPORTER-Channel-Binding';
  const value = (socket as TLSSocket).exportKeyingMaterial(32, label, Buffer.alloc(0));
  return { type: 1, value: new Uint8Array(value) };
}

/** One connection. */
export class Wire {
  readonly socket: Socket;
  readonly channelBinding: ChannelBinding;
  /** Everything that came and was not taken yet. */
  readonly frames: HubFrame[] = [];
  readonly #texts = new WeakMap<HubFrame, string>();
  readonly #arrivals = new Set<() => void>();
  #held = '';
  #lastId = 100;
  #isClosed = false;

  private constructor(socket: Socket, isSecure: boolean) {
    this.socket = socket;
    this.channelBinding = bindingOf(socket, isSecure);
    socket.on('data', (bytes: Buffer) => this.#read(bytes.toString('latin1')));
    socket.once('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  static async open(target: Target): Promise<Wire> {
    return new Wire(await dial(target), target.secure);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Lets the hub prove its key. */
  async begin(): Promise<ProvedHub> {
    const begin = createBegin(systemRandom(32), []);
    this.say(begin.text);
    const frame = await this.next('hello');
    const hello = { frame, text: this.#texts.get(frame) ?? '' };
    const { channelBinding } = this;
    const hub = acceptHello({ begin, hello, channelBinding, pinnedHubKey: null });
    if (!hub.ok) throw new CannotTry(`the hub does not prove its key: ${hub.error.code}`);
    return hub.value;
  }

  /** The `auth` frame with which these credentials would answer the hub. */
  authFor(hub: ProvedHub, credentials: HubCredentials): Spoken<AuthFrame> {
    const { channelBinding } = this;
    return createAuth({ id: this.#nextId(), hub, credentials, channelBinding });
  }

  /** Sends that frame, or a changed one, and gives the answer: `closed` if there is none. */
  async authenticate(auth: Spoken<AuthFrame>): Promise<HubFrame | 'closed'> {
    this.say(auth.text);
    return this.#take((frame) => frame.type === 'auth_ok' || frame.type === 'error');
  }

  say(what: ClientFrame | string): void {
    if (!this.#isClosed) {
      this.socket.write(`${typeof what === 'string' ? what : encodeFrame(what)}\n`);
    }
  }

  /** Sends a request; gives its reply, or `closed`. */
  async ask(frame: WithoutId<RequestFrame>): Promise<HubFrame | 'closed'> {
    const id = this.#nextId();
    this.say({ ...frame, id });
    return this.#take((reply) => 're' in reply && reply.re === id);
  }

  /** Code of the refusal of a request, the type of another reply, or `closed`. */
  async wordFor(frame: WithoutId<RequestFrame>): Promise<string> {
    return wordOf(await this.ask(frame));
  }

  /** The next frame of a type. */
  async next<T extends HubFrame['type']>(type: T): Promise<FrameOf<T>> {
    const frame = await this.#take((one) => one.type === type);
    if (frame === 'closed') throw new CannotTry(`closed before ${type}`);
    return frame as FrameOf<T>;
  }

  /** How many frames of a type came and were not taken. */
  count(type: HubFrame['type']): number {
    return this.frames.filter((frame) => frame.type === type).length;
  }

  /** Waits for the end of the connection; false if it does not come. */
  async closes(patienceMs = PATIENCE_MS): Promise<boolean> {
    await this.#until(() => this.#isClosed, patienceMs);
    return this.#isClosed;
  }

  end(): void {
    this.socket.destroy();
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  async #take(wanted: (frame: HubFrame) => boolean): Promise<HubFrame | 'closed'> {
    const at = (): number => this.frames.findIndex(wanted);
    await this.#until(() => at() >= 0 || this.#isClosed, PATIENCE_MS);
    const [frame] = at() < 0 ? [] : this.frames.splice(at(), 1);
    if (frame !== undefined) return frame;
    if (this.#isClosed) return 'closed';
    throw new CannotTry(`no answer within ${PATIENCE_MS / 1_000} s`);
  }

  #read(text: string): void {
    const lines = (this.#held + text).split('\n');
    this.#held = lines.pop() ?? '';
    for (const line of lines) {
      const decoded = parseHubFrame(line);
      if (!decoded.ok) continue;
      this.#texts.set(decoded.frame, line);
      this.frames.push(decoded.frame);
    }
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#arrivals];
    this.#arrivals.clear();
    for (const wake of waiting) wake();
  }

  /** Returns when the condition holds, or the time is over. */
  async #until(condition: () => boolean, patienceMs: number): Promise<void> {
    const state = { isOver: false };
    const timer = setTimeout(() => {
      state.isOver = true;
      this.#wake();
    }, patienceMs);
    while (!condition() && !state.isOver) {
      const arrival = Promise.withResolvers<void>();
      this.#arrivals.add(arrival.resolve);
      await arrival.promise;
    }
    clearTimeout(timer);
  }
}

/** Code of an error, the type of another frame, or `closed`. */
export function wordOf(reply: HubFrame | 'closed'): string {
  if (reply === 'closed') return reply;
  return reply.type === 'error' ? reply.code : reply.type;
}
