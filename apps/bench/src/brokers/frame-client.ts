/**
 * A lean client of the hub's frames: it writes and reads the frames of nearly all traffic by their
 * text and authenticates like any client. The relay speaks the same frames without authentication,
 * so the same client serves both. Owns one connection.
 */
import { randomFillSync } from 'node:crypto';

import { AgentKeyPair } from '@agentmesh/crypto';
import {
  acceptHello,
  createAuth,
  createBegin,
  NO_CHANNEL_BINDING,
  parseHubFrame,
} from '@agentmesh/protocol';
import type { HelloFrame, ProvedHub } from '@agentmesh/protocol';

import { BenchError } from '../harness/bench-error.js';
import { CorkedSocket } from './corked-socket.js';
import { TextLines } from './text-lines.js';

/** An identity that connects. */
export interface Member {
  readonly name: string;
  readonly keyPair: AgentKeyPair;
}

export function memberOf(name: string): Member {
  return { name, keyPair: AgentKeyPair.generate() };
}

const SENT = '{"type":"sent","re":';
const DELIVER = '{"type":"deliver","seq":';
const TTL_SECONDS = 86_400;

/** How to connect. */
export interface JoinOptions {
  readonly onDelivery?: (blob: Buffer) => void;
  /** Where the connection comes from. */
  readonly localAddress?: string;
}

/** One authenticated connection. */
export class FrameClient {
  readonly #onDelivery: (blob: Buffer) => void;
  readonly #lines = new TextLines((line) => this.#take(line));
  readonly #accepted = new Map<number, () => void>();
  readonly #id = randomFillSync(Buffer.alloc(16));
  #socket: CorkedSocket | null = null;
  #next = 1;
  #seqs: string[] = [];
  #bytes = 0;
  #onLine: ((line: string) => void) | null = null;

  private constructor(onDelivery: (blob: Buffer) => void) {
    this.#onDelivery = onDelivery;
  }

  /** Connects and authenticates. What waits there is delivered at once. */
  static async join(
    port: number,
    { name, keyPair }: Member,
    { onDelivery = () => undefined, localAddress }: JoinOptions = {},
  ): Promise<FrameClient> {
    const client = new FrameClient(onDelivery);
    await client.#connect(port, localAddress);
    const hub = await client.#begin();
    const { identity } = keyPair;
    const sign = (bytes: Uint8Array): Uint8Array => keyPair.sign(bytes);
    const { text } = createAuth({
      id: 0,
      hub,
      credentials: { name, identity, instance: new Uint8Array(16), boot: 1, sign },
      channelBinding: NO_CHANNEL_BINDING,
    });
    const answer = client.#nextLine();
    client.#socket?.write(`${text}\n`);
    const reply = parseHubFrame(await answer);
    if (!reply.ok || reply.frame.type !== 'auth_ok') {
      const why = reply.ok && 'code' in reply.frame ? reply.frame.code : 'unreadable';
      throw new BenchError('PEER_FAILED', `the hub does not let ${name} in: ${why}`);
    }
    return client;
  }

  /** Connects to the relay, which believes every name. */
  static async joinRelay(
    port: number,
    { keyPair }: Member,
    { onDelivery = () => undefined }: JoinOptions = {},
  ): Promise<FrameClient> {
    const client = new FrameClient(onDelivery);
    await client.#connect(port);
    client.#socket?.write(`{"type":"join","name":"${base64(keyPair.identity.aid)}"}\n`);
    return client;
  }

  /** Lets the hub prove its key. */
  async #begin(): Promise<ProvedHub> {
    const begin = createBegin(randomFillSync(new Uint8Array(32)), []);
    const first = this.#nextLine();
    this.#socket?.write(`${begin.text}\n`);
    const text = await first;
    const decoded = parseHubFrame(text);
    if (!decoded.ok) throw decoded.error;
    const hello = { frame: decoded.frame as HelloFrame, text };
    const channelBinding = NO_CHANNEL_BINDING;
    const hub = acceptHello({ begin, hello, channelBinding, pinnedHubKey: null });
    if (!hub.ok) throw hub.error;
    return hub.value;
  }

  /** Sends an envelope; `accepted` is called at its `sent`. */
  send(to: Uint8Array, blob: Buffer, accepted: () => void): void {
    const id = this.#next++;
    this.#id.writeUInt32BE(id, 12);
    this.#accepted.set(id, accepted);
    this.#socket?.write(
      `{"type":"send","id":${id},"envelope":{"id":"${base64(this.#id)}","to":"${base64(to)}",` +
        `"ttl":${TTL_SECONDS},"blob":"${base64(blob)}"}}\n`,
    );
  }

  async close(): Promise<void> {
    await this.#socket?.close();
  }

  async #connect(port: number, localAddress?: string): Promise<void> {
    const onData = (bytes: Buffer): void => {
      this.#lines.feed(bytes);
      this.#acknowledge();
    };
    this.#socket = await CorkedSocket.open(port, onData, localAddress);
  }

  #nextLine(): Promise<string> {
    return new Promise((resolve) => {
      this.#onLine = resolve;
    });
  }

  #take(line: string): void {
    if (line.startsWith(SENT)) {
      const id = Number(line.slice(SENT.length, line.indexOf(',', SENT.length)));
      const accepted = this.#accepted.get(id);
      this.#accepted.delete(id);
      accepted?.();
    } else if (line.startsWith(DELIVER)) {
      this.#seqs.push(line.slice(DELIVER.length, line.indexOf(',', DELIVER.length)));
      const blob = Buffer.from(line.slice(line.lastIndexOf(':"') + 2, -3), 'base64url');
      this.#bytes += blob.length;
      this.#onDelivery(blob);
    } else if (this.#onLine !== null) {
      this.#onLine(line);
      this.#onLine = null;
    } else {
      throw new BenchError('PEER_FAILED', line.slice(0, 200));
    }
  }

  /** Once for all that one reading of the socket brought. */
  #acknowledge(): void {
    if (this.#seqs.length === 0) return;
    const messages = this.#seqs.length;
    this.#socket?.write(
      `{"type":"ack","seqs":[${this.#seqs.join(',')}]}\n` +
        `{"type":"credit","messages":${messages},"bytes":${this.#bytes}}\n`,
    );
    this.#seqs = [];
    this.#bytes = 0;
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
