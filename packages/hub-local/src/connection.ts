/**
 * One connection's life: silent, greeted, authenticating, ready, closed. Owns its deadlines, its
 * bad frames and who may speak when; what an authenticated agent may do is `session`.
 */
import {
  CLOSE_CODES,
  ERROR_CODES,
  errorFrame,
  FEATURES,
  ProtocolError,
  tooLate,
} from '@agentmesh/protocol';
import type {
  AuthFrame,
  BeginFrame,
  ClientFrame,
  Decoded,
  ErrorCode,
  SendManyFrame,
  Spoken,
} from '@agentmesh/protocol';
import { admit, welcome } from './authentication.js';
import type { Admission, GreetedClient } from './authentication.js';
import type { HubContext } from './hub-context.js';
import type { Peer } from './link.js';
import { adoptSpending } from './neighbourhood.js';
import type { Departure } from './presence.js';
import { Session } from './session.js';
import { SignedLink } from './signed-link.js';

type Phase =
  /** Until the client has spoken, the hub says nothing. */
  | { readonly name: 'silent' }
  | { readonly name: 'greeted'; readonly client: GreetedClient }
  | { readonly name: 'authenticating' }
  | { readonly name: 'ready'; readonly session: Session; readonly departure: Departure }
  | { readonly name: 'closed' };

/** WebSocket's "going away", for which the protocol needs no code of its own. */
export const GOING_AWAY = 1001;

/** What a transport calls. No method throws; after `closed` all of them do nothing. */
export interface ServedConnection {
  /** Longest text of a frame that may be decoded now. */
  readonly maxFrameLength: number;
  /**
   * Whether its client has as much under way as it may: nothing more is read from it until frames
   * have been sent to it again.
   */
  readonly isSated: boolean;
  /** A frame arrived, readable or not, with its text as it was received. */
  receive(decoded: Decoded<ClientFrame>, text: string): void;
  /** The link's backlog has shrunk. */
  drained(): void;
  /** The transport lost or closed the connection. */
  closed(): void;
}

/** The hub's end of a connection. */
export class Connection implements ServedConnection {
  readonly peer: Peer;
  readonly #hub: HubContext;
  readonly #link: SignedLink;
  readonly #onGone: (connection: Connection) => void;
  readonly openedMs: number;
  #heardMs: number;
  #badFrames = 0;
  #earlyFrames = 0;
  #phase: Phase = { name: 'silent' };

  /** `onGone` is called once, when the connection is over for whatever reason. */
  constructor(hub: HubContext, peer: Peer, onGone: (connection: Connection) => void) {
    this.#hub = hub;
    this.peer = peer;
    this.#onGone = onGone;
    this.openedMs = hub.steady.now();
    this.#heardMs = this.openedMs;
    this.#link = new SignedLink(peer.link, hub.hubKey);
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

  get isSated(): boolean {
    return this.#phase.name === 'ready' && this.#phase.session.isSated;
  }

  receive(decoded: Decoded<ClientFrame>, text: string): void {
    const phase = this.#phase;
    if (phase.name === 'closed') return;
    this.#heardMs = this.#hub.steady.now();
    if (phase.name === 'ready') phase.session.notices.heard(this.#heardMs);
    else if ((this.#earlyFrames += 1) > this.#hub.limits.preAuthFrames) return this.#end('FLOOD');
    if (!decoded.ok) return this.#badFrame(decoded.error, decoded.id);
    const { frame } = decoded;
    if (frame.type === 'ping') return this.#answerPing(phase, frame.id);
    if (frame.type === 'begin') return this.#greet(phase, { frame, text });
    if (frame.type === 'auth') return this.#authenticate(phase, { frame, text });
    if (phase.name === 'ready') {
      return frame.type === 'send_many'
        ? this.#sendMany(phase.session, frame)
        : phase.session.handle(frame);
    }
    this.#badFrame(new ProtocolError('NOT_AUTHENTICATED'), 'id' in frame ? frame.id : undefined);
  }

  /** Of many in one frame, those behind one that ends the connection are not looked at. */
  #sendMany(session: Session, { sends }: SendManyFrame): void {
    for (const send of sends) {
      if (this.isReady) session.handle({ type: 'send', ...send });
    }
  }

  drained(): void {
    if (this.#phase.name === 'ready') this.#phase.session.pump(this.#hub.steady.now());
  }

  closed(): void {
    this.#leave(true);
  }

  /** Deadlines, and pushes that time has made due. */
  tick(nowMs: number): void {
    const { beginMs, authenticationMs, silenceMs } = this.#hub.limits;
    if (nowMs - this.#heardMs > silenceMs) return this.#end('IDLE');
    if (this.#phase.name === 'ready') return this.#phase.session.pump(nowMs);
    const waitedMs = nowMs - this.openedMs;
    if (this.#phase.name === 'silent' && waitedMs > beginMs) return this.#fail(noBegin());
    if (waitedMs > authenticationMs) this.#fail(tooLate());
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
    this.#link.send({ type: 'pong', re: id });
  }

  /** Proves the hub's key to whoever has begun. */
  #greet(phase: Phase, begin: Spoken<BeginFrame>): void {
    if (phase.name !== 'silent') {
      return this.#badFrame(new ProtocolError('BAD_AUTH', { detail: 'second begin' }));
    }
    try {
      const { hello, transcript, client } = welcome(this.#hub, begin, this.peer.channelBinding);
      this.#phase = { name: 'greeted', client };
      this.#link.greeted(transcript);
      this.#link.send(hello);
    } catch (error) {
      this.#fail(error instanceof ProtocolError ? error : this.#internal(error));
    }
  }

  #authenticate(phase: Phase, { frame, text }: Spoken<AuthFrame>): void {
    if (phase.name === 'silent') {
      return this.#badFrame(new ProtocolError('NOT_AUTHENTICATED', { detail: 'begin' }), frame.id);
    }
    if (phase.name !== 'greeted') {
      return this.#badFrame(new ProtocolError('BAD_AUTH', { detail: 'second attempt' }), frame.id);
    }
    // The nonce leaves with the phase: it is used once, whatever comes of it.
    this.#phase = { name: 'authenticating' };
    this.#link.authenticating(text);
    const { channelBinding } = this.peer;
    const request = { frame, greeted: phase.client, nowMs: this.#heardMs, channelBinding };
    admit(this.#hub, request).then(
      (admission) => this.#admit(admission),
      (error: unknown) => this.#refuse(error, frame.id),
    );
  }

  #admit(admission: Admission): void {
    const { name, connection, isTransient, identity } = admission;
    // Kept as long as the connection: no more than is needed then.
    const departure = { name, connection, isTransient, aid: identity.aid };
    if (this.#phase.name !== 'authenticating') return this.#hub.presence.left(departure);
    const { roster, steady, neighbourhood, isBlocked } = this.#hub;
    // The operator may have shut it out since it was asked for its keys.
    if (isBlocked(departure.aid)) {
      this.#hub.presence.left(departure);
      return this.#refuse(new ProtocolError('BLOCKED'), admission.reply.re);
    }
    const link = this.#link;
    const session = new Session(this.#hub, admission, { link, close: (code) => this.#end(code) });
    const entry = roster.enter(session);
    if (entry !== 'entered') this.#hub.presence.left(departure);
    if (entry === 'revoked') return this.#refuse(new ProtocolError('REVOKED'), admission.reply.re);
    if (entry === 'displaced') return this.#end('DISPLACED');
    if (admission.spent !== null) adoptSpending(this.#hub, session.key, admission.spent);
    this.#hub.duels.entered(session.key, admission.opening);
    this.#phase = { name: 'ready', session, departure };
    link.admit(admission.reply);
    if (admission.features.includes(FEATURES.many)) link.gather();
    session.start(steady.now());
    neighbourhood.admitted(session);
  }

  #refuse(error: unknown, re: number): void {
    if (this.#phase.name !== 'authenticating') return;
    if (error instanceof ProtocolError) return this.#fail(error, re);
    this.#hub.observer.failed?.(error);
    this.#fail(new ProtocolError('STORAGE'), re);
  }

  #internal(cause: unknown): ProtocolError {
    this.#hub.observer.failed?.(cause);
    return new ProtocolError('INTERNAL');
  }

  /** Answers a bad frame; the last tolerated one closes the connection. */
  #badFrame(error: ProtocolError, re?: number): void {
    this.#badFrames += 1;
    if (this.#badFrames >= this.#hub.limits.badFrames) return this.#fail(error, re, 'protocol');
    this.#hub.observer.refused?.(error, this.peer.remote);
    this.#link.send(errorFrame(error, re));
  }

  /** Answers and closes; by default a connection that did not authenticate. */
  #fail(
    error: ProtocolError,
    re?: number,
    reason: keyof typeof CLOSE_CODES = 'authentication',
  ): void {
    this.#hub.observer.refused?.(error, this.peer.remote);
    this.#link.send(errorFrame(error, re));
    this.#leave(true);
    this.#link.close(CLOSE_CODES[reason], error.code);
  }

  /** Says goodbye and closes. */
  #end(code: ErrorCode): void {
    const phase = this.#phase;
    if (phase.name === 'closed') return;
    if (phase.name === 'ready' && code === 'DISPLACED') {
      this.#hub.duels.displaced(phase.session.key, this.#hub.host.clock());
    }
    this.#link.send({ type: 'bye', code });
    this.#leave(true);
    const { closes } = ERROR_CODES[code];
    this.#link.close(closes === undefined ? GOING_AWAY : CLOSE_CODES[closes], code);
  }

  #leave(counts: boolean): void {
    const phase = this.#phase;
    if (phase.name === 'closed') return;
    this.#phase = { name: 'closed' };
    if (phase.name === 'ready') {
      phase.session.end(counts);
      this.#hub.roster.leave(phase.session);
      this.#hub.presence.left(phase.departure);
    }
    this.#onGone(this);
  }
}

/** Whoever waits for the hub to speak first is of an older protocol, or speaks another one. */
function noBegin(): ProtocolError {
  return new ProtocolError('VERSION', {
    message: 'This hub expects a begin frame first: upgrade the client',
  });
}
