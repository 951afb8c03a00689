/**
 * A TCP proxy that misbehaves on purpose, between real clients and a real hub: latency, one-byte
 * writes, cuts, half-open connections, corruption; on plaintext also frames doubled or swapped.
 * Every choice comes from a seed.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { seededRandom } from '@agentmesh/hub-compliance';

/** What goes wrong. Probabilities are per piece of data, from 0 to 1. */
export interface Faults {
  /** Delay of every piece, each direction, in milliseconds. */
  readonly latencyMs?: number;
  /** Longest piece written at once; 1 = byte by byte. */
  readonly sliceBytes?: number;
  /** Chance that the connection is cut instead of a piece being passed on. */
  readonly cut?: number;
  /** Chance that the connection falls silent for ever, both ends left open. */
  readonly halfOpen?: number;
  /** Chance that one bit of a piece is flipped. */
  readonly corrupt?: number;
  /** Chance that a line is sent twice (plaintext only). */
  readonly duplicate?: number;
  /** Chance that a line changes places with the next one of its piece (plaintext only). */
  readonly reorder?: number;
}

export class FaultProxy {
  /** May be changed while connections are open. */
  faults: Faults = {};
  /** Faults that really happened, by name. */
  readonly happened = new Map<keyof Faults, number>();
  readonly #target: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #random: (length: number) => Uint8Array;

  private constructor(target: number, seed: number) {
    this.#target = target;
    this.#random = seededRandom(seed);
    this.#server = createServer((client) => this.#join(client));
  }

  /** Listens on a free port of 127.0.0.1 and forwards to `target` there. */
  static async start(target: number, seed: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(target, seed);
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts every connection now. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }

  #join(client: Socket): void {
    const hub = connect(this.#target, '127.0.0.1');
    for (const socket of [client, hub]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
    }
    this.#pass(client, hub);
    this.#pass(hub, client);
  }

  #pass(from: Socket, to: Socket): void {
    let queue = Promise.resolve();
    from.on('data', (piece: Buffer) => {
      queue = queue.then(async () => this.#forward(piece, from, to));
    });
    from.on('close', () => {
      queue = queue.then(() => {
        to.end();
      });
    });
  }

  async #forward(piece: Buffer, from: Socket, to: Socket): Promise<void> {
    const { latencyMs = 0, sliceBytes = piece.length } = this.faults;
    if (latencyMs > 0) await later(latencyMs);
    if (this.#chance('cut')) {
      from.destroy();
      to.destroy();
      return;
    }
    if (this.#chance('halfOpen')) {
      from.removeAllListeners('data');
      from.pause();
      return;
    }
    const bytes = this.#damaged(this.#shuffled(piece));
    for (let at = 0; at < bytes.length && !to.destroyed; at += sliceBytes) {
      to.write(bytes.subarray(at, at + sliceBytes));
      if (sliceBytes < 16) await later(0);
    }
  }

  /**
   * Lines of a plaintext piece, some doubled or swapped; an incomplete last line stays as it is.
   */
  #shuffled(piece: Buffer): Buffer {
    const { duplicate = 0, reorder = 0 } = this.faults;
    if (duplicate === 0 && reorder === 0) return piece;
    const text = piece.toString('latin1');
    const end = text.lastIndexOf('\n') + 1;
    const begin = text.indexOf('\n') + 1;
    const lines = text.slice(begin, end).split('\n').slice(0, -1);
    for (let at = 0; at + 1 < lines.length; at++) {
      const [a = '', b = ''] = lines.slice(at, at + 2);
      if (this.#chance('reorder')) lines.splice(at, 2, b, a);
    }
    const sent = lines.flatMap((line) => (this.#chance('duplicate') ? [line, line] : [line]));
    const middle = sent.map((line) => `${line}\n`).join('');
    return Buffer.from(text.slice(0, begin) + middle + text.slice(end), 'latin1');
  }

  #damaged(piece: Buffer): Buffer {
    if (piece.length === 0 || !this.#chance('corrupt')) return piece;
    const damaged = Buffer.from(piece);
    const [high = 0, low = 0, bit = 0] = this.#random(3);
    const at = (high * 256 + low) % damaged.length;
    damaged.writeUInt8(damaged.readUInt8(at) ^ (1 << (bit % 8)), at);
    return damaged;
  }

  #chance(fault: keyof Faults): boolean {
    const probability = this.faults[fault] ?? 0;
    if (probability === 0) return false;
    const [high = 0, low = 0] = this.#random(2);
    if ((high * 256 + low) / 65_536 >= probability) return false;
    this.happened.set(fault, (this.happened.get(fault) ?? 0) + 1);
    return true;
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => {
    if (ms === 0) setImmediate(resolve);
    else setTimeout(resolve, ms);
  });
}
