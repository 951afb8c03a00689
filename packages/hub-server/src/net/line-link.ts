/**
 * Frames over a stream socket, one per line: between `HubCore` and TCP or TLS.
 * Owns batching (one write per turn of the loop), back-pressure both ways and the ending; framing
 * is `line-splitter`, the meaning of frames is the core's.
 */
import type { Link, ServedConnection } from '@agentmesh/hub-local';
import { gathered, ProtocolError } from '@agentmesh/protocol';
import type { HubFrame } from '@agentmesh/protocol';
import type { Socket } from 'node:net';
import type { Failpoint } from '../sqlite/failpoint.js';
import { clientFrameOf } from './client-text.js';
import { frameText } from './frame-text.js';
import { LineSplitter } from './line-splitter.js';
import type { Line } from './line-splitter.js';
import type { Holder, MemoryBudget } from './memory-budget.js';

/** Unsent bytes at which reading stops: a client that does not read answers gets no new ones. */
const PAUSE_BYTES = 512 * 1024;
/** Bytes after which others are read first: no sender of much is read for long at a time. */
const TURN_BYTES = 16 * 1024;
/** A write is told as done in pieces of this size: progress on a slow line is seen. */
const PIECE = 64 * 1024;
const NEWLINE = 0x0a;
/** From our end of the connection to its removal. */
const LINGER_MS = 5_000;
/** What a peer may still send after the end: it had not read it yet. More is a flood. */
const LINGER_BYTES = 256 * 1024;

/** What a link needs of its server. */
export interface LinkOptions {
  readonly defer: (task: () => void) => void;
  readonly monotonic: () => number;
  readonly onFrame: (frame: HubFrame) => void;
  /** What all links hold in memory. */
  readonly budget: MemoryBudget;
  readonly failpoint: Failpoint;
}

/** Both directions of one connection, once it is known to speak frames. */
export class LineLink implements Link, Holder {
  readonly #socket: Socket;
  readonly #options: LinkOptions;
  readonly #splitter = new LineSplitter(() => this.#served?.maxFrameLength ?? 0);
  #served: ServedConnection | null = null;
  #pending: string[] = [];
  #pendingBytes = 0;
  #deferred = false;
  #gathers = false;
  #closing = false;
  /** What came in one piece and is for later turns of the loop. */
  #unread: Buffer | null = null;
  /** Whether reading goes on in the next turn of the loop. */
  #isTurnOver = false;
  /** Since when a write has been waiting to be done; null while none is. */
  #waitingSinceMs: number | null = null;
  #writes = 0;
  /** Since when an unfinished line has been waiting for its end. */
  #lineSinceMs: number | null = null;
  #lingered = 0;

  constructor(socket: Socket, options: LinkOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
  }

  /** Begins to read for a connection of the core. */
  serve(served: ServedConnection): void {
    this.#served = served;
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#socket.on('drain', () => this.#drained());
    this.#socket.on('close', () => {
      this.#options.budget.update(this, 0);
      served.closed();
    });
    this.#socket.resume();
  }

  get backlog(): number {
    return this.#pendingBytes + this.#socket.writableLength;
  }

  get heldSinceMs(): number {
    const { monotonic } = this.#options;
    return Math.min(this.#lineSinceMs ?? monotonic(), this.#waitingSinceMs ?? monotonic());
  }

  send(frame: HubFrame): void {
    if (this.#closing) return;
    this.#options.onFrame(frame);
    const text = frameText(frame);
    this.#pending.push(text);
    this.#pendingBytes += text.length + 1;
    if (frame.type === 'deliver') this.#options.failpoint('pushing');
    if (this.#deferred) return;
    this.#deferred = true;
    this.#options.defer(() => {
      this.#deferred = false;
      this.#flush();
    });
  }

  gather(): void {
    this.#gathers = true;
  }

  /** TCP has no close codes: the frame before says why. */
  close(): void {
    if (this.#closing) return;
    this.#flush();
    this.#closing = true;
    this.#splitter.stop();
    this.#unread = null;
    this.#socket.end();
    this.#readOn();
    const linger = setTimeout(() => this.destroy(), LINGER_MS);
    this.#socket.once('close', () => clearTimeout(linger));
  }

  /** Removes a connection whose peer has taken nothing for too long. */
  watch(nowMs: number, deadlineMs: number): void {
    if (this.#waitingSinceMs !== null && nowMs - this.#waitingSinceMs > deadlineMs) this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#closing) {
      // Not looked at any more; read only so that the peer gets to read why.
      this.#lingered += bytes.length;
      if (this.#lingered > LINGER_BYTES) this.destroy();
      return;
    }
    // Paused while something is unread: nothing is before these bytes.
    this.#unread = bytes;
    this.#readTurn();
  }

  /** Whole lines, of many no more than a turn's; the rest when the others have been read. */
  #readTurn(): void {
    const bytes = this.#unread;
    if (bytes === null) return;
    const cut = bytes.indexOf(NEWLINE, TURN_BYTES) + 1;
    const isWhole = cut === 0 || cut === bytes.length;
    this.#unread = isWhole ? null : bytes.subarray(cut);
    this.#splitter.feed(isWhole ? bytes : bytes.subarray(0, cut), (line) => this.#receive(line));
    if (bytes.length >= TURN_BYTES) this.#endTurn();
    if (!this.#mayRead()) this.#socket.pause();
    this.#account();
  }

  /** Whoever sends much is read on when the others have been. */
  #endTurn(): void {
    if (this.#isTurnOver) return;
    this.#isTurnOver = true;
    this.#options.defer(() => {
      this.#isTurnOver = false;
      this.#readOn();
    });
  }

  /** Not from who does not read, nor from who has sent as much as it may. */
  #mayRead(): boolean {
    if (this.#closing) return true;
    return !this.#isTurnOver && this.backlog <= PAUSE_BYTES && this.#served?.isSated !== true;
  }

  #readOn(): void {
    if (this.#socket.destroyed || !this.#mayRead()) return;
    this.#readTurn();
    if (this.#unread === null && this.#socket.isPaused() && this.#mayRead()) this.#socket.resume();
  }

  #account(): void {
    const { held } = this.#splitter;
    if (held === 0) this.#lineSinceMs = null;
    else this.#lineSinceMs ??= this.#options.monotonic();
    if (this.#socket.destroyed) return;
    this.#options.budget.update(this, held + (this.#unread?.length ?? 0) + this.backlog);
  }

  #receive(line: Line): void {
    const served = this.#served;
    this.#lineSinceMs = null;
    if (served === null || this.#closing) return;
    const length = served.maxFrameLength;
    if (line !== null) return served.receive(clientFrameOf(line, length), line);
    const detail = `longer than ${length} characters`;
    served.receive({ ok: false, error: new ProtocolError('BAD_JSON', { detail }) }, '');
  }

  #flush(): void {
    if (this.#pending.length === 0 || this.#socket.destroyed) return;
    // Frames are ASCII. Joining long texts first would copy them twice.
    const texts = this.#gathers ? gathered(this.#pending) : this.#pending;
    const length = texts.reduce((sum, text) => sum + text.length + 1, 0);
    const bytes = Buffer.allocUnsafe(length);
    let end = 0;
    for (const text of texts) {
      end += bytes.write(text, end, 'latin1');
      bytes[end++] = NEWLINE;
    }
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#socket.cork();
    for (let at = 0; at < end; at += PIECE) this.#write(bytes.subarray(at, at + PIECE));
    this.#socket.uncork();
    this.#account();
    this.#readOn();
  }

  #write(bytes: Uint8Array): void {
    this.#writes += 1;
    this.#waitingSinceMs ??= this.#options.monotonic();
    this.#socket.write(bytes, () => {
      this.#writes -= 1;
      this.#waitingSinceMs = this.#writes === 0 ? null : this.#options.monotonic();
      this.#account();
    });
  }

  #drained(): void {
    this.#readOn();
    this.#served?.drained();
  }
}
