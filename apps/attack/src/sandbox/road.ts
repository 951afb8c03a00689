/**
 * A road between an agent and a hub that an attacker holds: it passes what both say, or answers in
 * place of the hub. Owns its connections; what is done to what passes, an attack says.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Target } from '../target.js';

/** Begins to listen on loopback; gives the port. */
export async function listening(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return (server.address() as AddressInfo).port;
}

/** Ends both sides with either. */
export function joined(victim: Socket, hub: Socket): void {
  for (const socket of [victim, hub]) socket.on('error', () => socket.destroy());
  victim.once('close', () => hub.destroy());
  hub.once('close', () => victim.destroy());
}

/** A road without TLS. */
export class Road {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>, port: number) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = port;
  }

  /** Each connection leads where `lead` says then; `rewrite` changes each line of the hub's. */
  static async open(
    lead: () => Target,
    rewrite: (line: string) => string = (line) => line,
  ): Promise<Road> {
    const sockets = new Set<Socket>();
    const server = createServer((victim) => {
      sockets.add(victim);
      const { host, port } = lead();
      const hub = connect(port, host);
      joined(victim, hub);
      victim.pipe(hub);
      let held = '';
      hub.on('data', (bytes: Buffer) => {
        const lines = (held + bytes.toString('latin1')).split('\n');
        held = lines.pop() ?? '';
        for (const line of lines) victim.write(`${rewrite(line)}\n`, 'latin1');
      });
    });
    return new Road(server, sockets, await listening(server));
  }

  /** Ends every connection; the agent comes again. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }
}
