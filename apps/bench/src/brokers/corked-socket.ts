/**
 * A client's socket with one write per turn of the loop, as a careful client of any protocol has
 * it. Owns gathering; every lean client here uses it, so none is slower for its writes.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** Text and bytes leave in the order of the calls. */
export class CorkedSocket {
  readonly #socket: Socket;
  #corked = false;

  private constructor(socket: Socket, onData: (bytes: Buffer) => void) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', onData);
    socket.on('error', () => socket.destroy());
  }

  static async open(
    port: number,
    onData: (bytes: Buffer) => void,
    localAddress = '127.0.0.1',
  ): Promise<CorkedSocket> {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    await once(socket, 'connect');
    return new CorkedSocket(socket, onData);
  }

  /** What a server asks of one who is going stays unanswered. */
  write(data: string | Buffer): void {
    if (this.#socket.writableEnded) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    if (typeof data === 'string') this.#socket.write(data, 'latin1');
    else this.#socket.write(data);
  }

  async close(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = once(this.#socket, 'close');
    this.#socket.end();
    this.#socket.resume();
    await closed;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
