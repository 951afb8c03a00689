/**
 * Frames over a WebSocket, one per text message: between `HubCore` and browsers.
 * Owns batching, back-pressure and the bounds that `ws` does not have; the WebSocket protocol
 * itself is `ws`.
 */
import type { Link, ServedConnection } from '@agentmesh/hub-local';
import { gathered, ProtocolError } from '@agentmesh/protocol';
import type { HubFrame } from '@agentmesh/protocol';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { clientFrameOf } from './client-text.js';
import { frameText } from './frame-text.js';
import type { LinkOptions } from './line-link.js';
import type { Holder } from './memory-budget.js';

const PAUSE_BYTES = 512 * 1024;
const LINGER_MS = 5_000;
/**
 * Pings of the WebSocket protocol in a quarter of a second. `ws` answers them; clients need few.
 */
const PINGS_PER_TICK = 10;
/** Bytes after which others are read first: no sender of much is read for long at a time. */
const TURN_BYTES = 16 * 1024;
/** One reading of the socket may hold several whole messages beside an unfinished one. */
const READING_BYTES = 64 * 1024;

/** Both directions of one WebSocket connection. */
export class WebSocketLink implements Link, Holder {
  readonly #socket: Socket;
  readonly #webSocket: WebSocket;
  readonly #options: LinkOptions;
  #served: ServedConnection | null = null;
  /** Frames of this turn. */
  #pending: string[] = [];
  #pendingBytes = 0;
  #gathers = false;
  #corked = false;
  #closing = false;
  /** Whole messages for later turns of the loop; null for one that is not a text. */
  #unread: (string | null)[] = [];
  #unreadBytes = 0;
  /** Whether reading goes on in the next turn of the loop. */
  #isTurnOver = false;
  #waitingSinceMs: number | null = null;
  #writes = 0;
  /** Bytes that came since the last whole message. */
  #unfinished = 0;
  #unfinishedSinceMs: number | null = null;
  #pings = 0;

  constructor(socket: Socket, webSocket: WebSocket, options: LinkOptions) {
    this.#socket = socket;
    this.#webSocket = webSocket;
    this.#options = options;
    socket.setNoDelay(true);
  }

  /** Begins to read for a connection of the core. */
  serve(served: ServedConnection): void {
    this.#served = served;
    // Before `ws` reads the same bytes, so that a message it finds in them resets the count.
    this.#socket.prependListener('data', (bytes: Buffer) => this.#count(bytes.length));
    this.#webSocket.on('message', (data, isBinary) => this.#arrived(data, isBinary));
    // `ws` answers pings by itself: a client that pings and does not read must not fill our memory.
    this.#webSocket.on('ping', () => this.#pinged());
    this.#webSocket.on('error', () => this.destroy());
    this.#webSocket.once('close', () => {
      // The peer may have said something and ended in one piece.
      while (this.#unread.length > 0) this.#receive();
      this.#options.budget.update(this, 0);
      served.closed();
    });
    this.#socket.on('drain', () => this.#drained());
  }

  get backlog(): number {
    return this.#pendingBytes + this.#webSocket.bufferedAmount;
  }

  get heldSinceMs(): number {
    const { monotonic } = this.#options;
    return Math.min(this.#unfinishedSinceMs ?? monotonic(), this.#waitingSinceMs ?? monotonic());
  }

  send(frame: HubFrame): void {
    if (this.#closing) return;
    this.#options.onFrame(frame);
    if (frame.type === 'deliver') this.#options.failpoint('pushing');
    this.#cork();
    const text = frameText(frame);
    this.#pending.push(text);
    this.#pendingBytes += text.length;
    this.#pauseIfFull();
    this.#account();
  }

  gather(): void {
    this.#gathers = true;
  }

  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#flush();
    this.#closing = true;
    [this.#unread, this.#unreadBytes] = [[], 0];
    this.#readOn();
    this.#webSocket.close(code, reason);
    const linger = setTimeout(() => this.destroy(), LINGER_MS);
    this.#socket.once('close', () => clearTimeout(linger));
  }

  /** Removes a connection whose peer has taken nothing for too long. */
  watch(nowMs: number, deadlineMs: number): void {
    this.#pings = 0;
    if (this.#waitingSinceMs !== null && nowMs - this.#waitingSinceMs > deadlineMs) this.destroy();
  }

  destroy(): void {
    this.#webSocket.terminate();
  }

  #flush(): void {
    const texts = this.#gathers ? gathered(this.#pending) : this.#pending;
    for (const text of texts) this.#write(text);
    this.#pending = [];
    this.#pendingBytes = 0;
  }

  #write(text: string): void {
    this.#writes += 1;
    this.#waitingSinceMs ??= this.#options.monotonic();
    this.#webSocket.send(text, () => {
      this.#writes -= 1;
      this.#waitingSinceMs = this.#writes === 0 ? null : this.#options.monotonic();
      this.#account();
    });
  }

  /** What is sent in one turn of the loop leaves in one write. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    this.#options.defer(() => {
      this.#corked = false;
      this.#flush();
      this.#socket.uncork();
      this.#readOn();
    });
  }

  /** `ws` has one bound for all messages; before authentication a lower one holds. */
  #count(bytes: number): void {
    this.#unfinished += bytes;
    this.#unfinishedSinceMs ??= this.#options.monotonic();
    if (bytes >= TURN_BYTES) this.#endTurn();
    this.#account();
    const length = this.#served?.maxFrameLength ?? 0;
    if (this.#unfinished > length + READING_BYTES) {
      this.#unfinished = 0;
      this.#served?.receive(tooLong(length), '');
      this.destroy();
    }
  }

  /** Whoever sends much is read on when the others have been. */
  #endTurn(): void {
    if (this.#isTurnOver || this.#closing) return;
    this.#isTurnOver = true;
    this.#webSocket.pause();
    this.#options.defer(() => {
      this.#isTurnOver = false;
      this.#readOn();
    });
  }

  #pinged(): void {
    this.#pings += 1;
    // Counted between two ticks, of which there are four in a second.
    if (this.#pings > PINGS_PER_TICK) this.destroy();
    this.#pauseIfFull();
  }

  #account(): void {
    if (this.#socket.destroyed) return;
    this.#options.budget.update(this, this.#unfinished + this.#unreadBytes + this.backlog);
  }

  /** `ws` hands on all messages of one reading of the socket, up to 64 KiB, in one go. */
  #arrived(data: unknown, isBinary: boolean): void {
    this.#unfinished = 0;
    this.#unfinishedSinceMs = null;
    if (this.#closing) return;
    const text = isBinary || !(data instanceof Buffer) ? null : data.toString('utf8');
    this.#unread.push(text);
    this.#unreadBytes += text?.length ?? 0;
    if (!this.#isTurnOver) this.#readTurn();
    this.#pauseIfFull();
  }

  /** Of many messages no more than a turn's; the rest when the others have been read. */
  #readTurn(): void {
    const last = this.#unreadBytes - TURN_BYTES;
    while (this.#unread.length > 0 && this.#unreadBytes > last) this.#receive();
    if (this.#unread.length > 0) this.#endTurn();
    this.#account();
  }

  /** Hands the next message to the core. */
  #receive(): void {
    const text = this.#unread.shift() ?? null;
    this.#unreadBytes -= text?.length ?? 0;
    const served = this.#served;
    if (served === null || this.#closing) return;
    if (text !== null) return served.receive(clientFrameOf(text, served.maxFrameLength), text);
    const detail = 'a frame is a text message';
    served.receive({ ok: false, error: new ProtocolError('BAD_JSON', { detail }) }, '');
  }

  #pauseIfFull(): void {
    if (!this.#mayRead()) this.#webSocket.pause();
  }

  #mayRead(): boolean {
    if (this.#closing) return true;
    return !this.#isTurnOver && this.backlog <= PAUSE_BYTES && this.#served?.isSated !== true;
  }

  #readOn(): void {
    if (!this.#mayRead()) return;
    this.#readTurn();
    const isEmpty = this.#unread.length === 0;
    if (isEmpty && this.#webSocket.isPaused && this.#mayRead()) this.#webSocket.resume();
  }

  #drained(): void {
    this.#readOn();
    this.#served?.drained();
  }
}

function tooLong(length: number): { ok: false; error: ProtocolError } {
  const detail = `longer than ${length} characters`;
  return { ok: false, error: new ProtocolError('BAD_JSON', { detail }) };
}
