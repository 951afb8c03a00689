/**
 * Frames over a WebSocket, one per text message: the rim between `HubCore` and browsers.
 * Owns batching, back-pressure and the bounds that `ws` does not have; the WebSocket protocol
 * itself is `ws`.
 */
import type { Link, ServedConnection } from '@agentmesh/hub-local';
import { ProtocolError } from '@agentmesh/protocol';
import type { HubFrame } from '@agentmesh/protocol';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { clientFrameOf } from './client-text.js';
import { frameText } from './frame-text.js';
import type { LinkOptions } from './line-link.js';

const PAUSE_BYTES = 512 * 1024;
const LINGER_MS = 5_000;
/** One reading of the socket may hold several whole messages beside an unfinished one. */
const READING_BYTES = 64 * 1024;

/** Both directions of one WebSocket connection. */
export class WebSocketLink implements Link {
  readonly #socket: Socket;
  readonly #webSocket: WebSocket;
  readonly #options: LinkOptions;
  #served: ServedConnection | null = null;
  #corked = false;
  #closing = false;
  #waitingSinceMs: number | null = null;
  #writes = 0;
  /** Bytes that came since the last whole message. */
  #unfinished = 0;

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
    this.#webSocket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    // `ws` answers pings by itself: whoever pings and does not read must not fill our memory.
    this.#webSocket.on('ping', () => this.#pauseIfFull());
    this.#webSocket.on('error', () => this.destroy());
    this.#webSocket.once('close', () => served.closed());
    this.#socket.on('drain', () => this.#drained());
  }

  get backlog(): number {
    return this.#webSocket.bufferedAmount;
  }

  send(frame: HubFrame): void {
    if (this.#closing) return;
    this.#options.onFrame(frame);
    if (frame.type === 'deliver') this.#options.failpoint('pushing');
    this.#cork();
    this.#writes += 1;
    this.#waitingSinceMs ??= this.#options.monotonic();
    this.#webSocket.send(frameText(frame), () => {
      this.#writes -= 1;
      this.#waitingSinceMs = this.#writes === 0 ? null : this.#options.monotonic();
    });
    this.#pauseIfFull();
  }

  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#webSocket.close(code, reason);
    const linger = setTimeout(() => this.destroy(), LINGER_MS);
    this.#socket.once('close', () => clearTimeout(linger));
  }

  /** Removes a connection whose peer has taken nothing for too long. */
  watch(nowMs: number, deadlineMs: number): void {
    if (this.#waitingSinceMs !== null && nowMs - this.#waitingSinceMs > deadlineMs) this.destroy();
  }

  destroy(): void {
    this.#webSocket.terminate();
  }

  /** What is sent in one turn of the loop leaves in one write. */
  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    this.#options.defer(() => {
      this.#corked = false;
      this.#socket.uncork();
    });
  }

  /** `ws` has one bound for all messages; before authentication a lower one holds. */
  #count(bytes: number): void {
    this.#unfinished += bytes;
    const length = this.#served?.maxFrameLength ?? 0;
    if (this.#unfinished > length + READING_BYTES) {
      this.#unfinished = 0;
      this.#served?.receive(tooLong(length));
      this.destroy();
    }
  }

  #receive(data: unknown, isBinary: boolean): void {
    this.#unfinished = 0;
    const served = this.#served;
    if (served === null || this.#closing) return;
    if (isBinary || !(data instanceof Buffer)) {
      const detail = 'a frame is a text message';
      return served.receive({ ok: false, error: new ProtocolError('BAD_JSON', { detail }) });
    }
    served.receive(clientFrameOf(data.toString('utf8'), served.maxFrameLength));
    this.#pauseIfFull();
  }

  #pauseIfFull(): void {
    if (this.backlog > PAUSE_BYTES) this.#webSocket.pause();
  }

  #drained(): void {
    if (this.#webSocket.isPaused) this.#webSocket.resume();
    this.#served?.drained();
  }
}

function tooLong(length: number): { ok: false; error: ProtocolError } {
  const detail = `longer than ${length} characters`;
  return { ok: false, error: new ProtocolError('BAD_JSON', { detail }) };
}
