/**
 * One connection's life: greeted, authenticating, ready, closed. Owns its deadlines, its bad frames
 * and who may speak when; what an authenticated agent may do is `session`.
 */
import { CLOSE_CODES, ERROR_CODES, errorFrame, ProtocolError } from '@agentmesh/protocol';
import type { AuthFrame, ClientFrame, Decoded, ErrorCode } from '@agentmesh/protocol';
import { admit, helloOf } from './authentication.js';
import type { Admission } from './authentication.js';
import type { HubContext } from './hub-context.js';
import type { Peer } from './link.js';
import { adoptSpending } from './neighbourhood.js';
import { Session } from './session.js';

type Phase =
  | { readonly name: 'greeted'; readonly serverNonce: Uint8Array }
  | { readonly name: 'authenticating' }
  | { readonly name: 'ready'; readonly session: Session }
  | { readonly name: 'closed' };

/** WebSocket's "going away", for which the protocol needs no code of its own. */
export const GOING_AWAY = 1001;

/** What a transport calls. No method throws; after `closed` all of them do nothing. */
export interface ServedConnection {
  /** Longest text of a frame that may be decoded now. */
  readonly maxFrameLength: number;
  /** A frame arrived, readable or not. */
  receive(decoded: Decoded<ClientFrame>): void;
  /** The link's backlog has shrunk. */
  drained(): void;
  /** The transport lost or closed the connection. */
  closed(): void;
}

/** The hub's end of a connection. */
export class Connection implements ServedConnection {
  readonly peer: Peer;
  readonly #hub: HubContext;
  readonly #onGone: (connection: Connection) => void;
  readonly openedMs: number;
  #heardMs: number;
  #badFrames = 0;
  #earlyFrames = 0;
  #phase: Phase;

  /** Greets at once. `onGone` is called once, when the connection is over for whatever reason. */
  constructor(hub: HubContext, peer: Peer, onGone: (connection: Connection) => void) {
    this.#hub = hub;
    this.peer = peer;
    this.#onGone = onGone;
    this.openedMs = hub.steady.now();
    this.#heardMs = this.openedMs;
    const serverNonce = hub.host.random(32);
    this.#phase = { name: 'greeted', serverNonce };
    peer.link.send(helloOf(hub, serverNonce));
  }

  get remote(): string | null {
    return this.peer.remote;
  }

  get isReady(): boolean {
    return this.#phase.name === 'ready';
  }

  get maxFrameLength(): number {
    const { frameBytes, preAuthFrameBytes } = this.#hub.limits;
    return this.isReady ? frameBytes : preAuthFrameBytes;
  }

  receive(decoded: Decoded<ClientFrame>): void {
    const phase = this.#phase;
    if (phase.name === 'closed') return;
    this.#heardMs = this.#hub.steady.now();
    if (phase.name === 'ready') phase.session.notices.heard(this.#heardMs);
    else if ((this.#earlyFrames += 1) > this.#hub.limits.preAuthFrames) return this.#end('FLOOD');
    if (!decoded.ok) return this.#badFrame(decoded.error, decoded.id);
    const { frame } = decoded;
    if (frame.type === 'ping') return this.#answerPing(phase, frame.id);
    if (frame.type === 'auth') return this.#authenticate(phase, frame);
    if (phase.name === 'ready') return phase.session.handle(frame);
    this.#badFrame(new ProtocolError('NOT_AUTHENTICATED'), 'id' in frame ? frame.id : undefined);
  }

  drained(): void {
    if (this.#phase.name === 'ready') this.#phase.session.pump(this.#hub.steady.now());
  }

  closed(): void {
    this.#leave(true);
  }

  /** Deadlines, and pushes that time has made due. */
  tick(nowMs: number): void {
    const { authenticationMs, silenceMs } = this.#hub.limits;
    if (nowMs - this.#heardMs > silenceMs) return this.#end('IDLE');
    if (this.#phase.name === 'ready') return this.#phase.session.pump(nowMs);
    if (nowMs - this.openedMs > authenticationMs) {
      this.#fail(new ProtocolError('BAD_AUTH', { detail: 'too late' }));
    }
  }

  /** The hub needs the room for somebody whose share is smaller. */
  makeWay(): void {
    this.#end('FLOOD');
  }

  /** The hub stops: what is in flight does not count as an attempt. */
  shutDown(): void {
    if (this.#phase.name === 'ready') this.#phase.session.end(false);
    this.#end('SHUTTING_DOWN');
  }

  #answerPing(phase: Phase, id: number): void {
    if (phase.name === 'ready' && !phase.session.mayPing()) return this.#end('FLOOD');
    this.peer.link.send({ type: 'pong', re: id });
  }

  #authenticate(phase: Phase, auth: AuthFrame): void {
    if (phase.name !== 'greeted') {
      return this.#badFrame(new ProtocolError('BAD_AUTH', { detail: 'second attempt' }), auth.id);
    }
    // The nonce leaves with the phase: it is used once, whatever comes of it.
    this.#phase = { name: 'authenticating' };
    const request = {
      frame: auth,
      serverNonce: phase.serverNonce,
      nonceIssuedMs: this.openedMs,
      nowMs: this.#heardMs,
      channelBinding: this.peer.channelBinding,
    };
    admit(this.#hub, request).then(
      (admission) => this.#admit(admission),
      (error: unknown) => this.#refuse(error, auth.id),
    );
  }

  #admit(admission: Admission): void {
    if (this.#phase.name !== 'authenticating') return;
    const { roster, steady, neighbourhood } = this.#hub;
    const { link } = this.peer;
    const session = new Session(this.#hub, admission, { link, close: (code) => this.#end(code) });
    const entry = roster.enter(session);
    if (entry === 'revoked') return this.#refuse(new ProtocolError('REVOKED'), admission.reply.re);
    if (entry === 'displaced') return this.#end('DISPLACED');
    if (admission.spent !== null) adoptSpending(this.#hub, session.key, admission.spent);
    this.#phase = { name: 'ready', session };
    link.send(admission.reply);
    session.start(steady.now());
    neighbourhood.admitted(session);
  }

  #refuse(error: unknown, re: number): void {
    if (this.#phase.name !== 'authenticating') return;
    if (error instanceof ProtocolError) return this.#fail(error, re);
    this.#hub.observer.failed?.(error);
    this.#fail(new ProtocolError('STORAGE'), re);
  }

  /** Answers a bad frame; the last tolerated one closes the connection. */
  #badFrame(error: ProtocolError, re?: number): void {
    this.#badFrames += 1;
    if (this.#badFrames >= this.#hub.limits.badFrames) return this.#fail(error, re, 'protocol');
    this.#hub.observer.refused?.(error, this.peer.remote);
    this.peer.link.send(errorFrame(error, re));
  }

  /** Answers and closes; by default a connection that did not authenticate. */
  #fail(
    error: ProtocolError,
    re?: number,
    reason: keyof typeof CLOSE_CODES = 'authentication',
  ): void {
    this.#hub.observer.refused?.(error, this.peer.remote);
    this.peer.link.send(errorFrame(error, re));
    this.#leave(true);
    this.peer.link.close(CLOSE_CODES[reason], error.code);
  }

  /** Says goodbye and closes. */
  #end(code: ErrorCode): void {
    if (this.#phase.name === 'closed') return;
    this.peer.link.send({ type: 'bye', code });
    this.#leave(true);
    const { closes } = ERROR_CODES[code];
    this.peer.link.close(closes === undefined ? GOING_AWAY : CLOSE_CODES[closes], code);
  }

  #leave(counts: boolean): void {
    const phase = this.#phase;
    if (phase.name === 'closed') return;
    this.#phase = { name: 'closed' };
    if (phase.name === 'ready') {
      phase.session.end(counts);
      this.#hub.roster.leave(phase.session);
    }
    this.#onGone(this);
  }
}
