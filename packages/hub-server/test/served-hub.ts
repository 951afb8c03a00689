/**
 * A real server on a free port, with its store in a folder that goes away, in the shape that the
 * suite of hub-compliance wants. Its clock is the test's, its sockets are real.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualHost } from '@agentmesh/hub-compliance';
import type { HubSetup, HubUnderTest } from '@agentmesh/hub-compliance';
import { HubChannel, systemRandom } from '@agentmesh/protocol';
import type { Hub, HubConnection, HubCredentials, HubEvents } from '@agentmesh/protocol';
import { createCertificate, NetworkHubServer, SqliteHubStore } from '../src/index.js';
import { openSocket } from './socket-client.js';
import type { TransportKind } from './socket-client.js';

/** Time for bytes to pass through the kernel. */
const WIRE_MS = 3;

/** Steps of the clock wait for real sockets and for the disk too. */
class SocketHost extends ManualHost {
  #store: SqliteHubStore | null = null;
  #commits = 0;

  async open(folder: string): Promise<SqliteHubStore> {
    const onCommitTime = (): void => void (this.#commits += 1);
    const store = await SqliteHubStore.open({ folder, onCommitTime });
    this.#store = store;
    return store;
  }

  override async rest(): Promise<void> {
    // What a commit makes possible may lead to the next one.
    for (let seen = -1; seen !== this.#commits;) {
      seen = this.#commits;
      await super.rest();
      await new Promise((resolve) => {
        setTimeout(resolve, WIRE_MS);
      });
      await super.rest();
      // Answered when no commit is under way.
      if (this.#store?.failure === null) await this.#store.counts();
    }
  }
}

/** Starts a hub whose agents connect over one kind of transport. */
export async function startServedHub(kind: TransportKind, setup: HubSetup): Promise<HubUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-hub-'));
  const host = new SocketHost();
  const tls = await certificate();
  let store = await host.open(folder);
  const make = async () => {
    const server = new NetworkHubServer({ store, port: 0, tls, hubHost: host, ...setup });
    await server.start();
    return server;
  };
  let server = await make();
  const halt = async () => {
    await server.stop();
    await store.close();
  };
  const hub: Hub = {
    connect: (credentials, events) =>
      connect({ kind, port: server.port, host }, credentials, events),
  };
  return {
    hub,
    clock: host.clock,
    open: async (client) => {
      const opened = await openSocket(kind === 'websocket' ? kind : 'tcp', server.port, client);
      // Until its first byte a connection is nobody's, and has no time limit on this clock.
      opened.socket?.write('\n');
      await host.rest();
      return opened;
    },
    rest: () => host.rest(),
    advance: (ms) => host.advance(ms),
    jump: (ms) => host.jump(ms),
    async restart() {
      await halt();
      store = await host.open(folder);
      server = await make();
    },
    async stop() {
      await halt();
      rmSync(folder, { recursive: true });
    },
  };
}

let made: ReturnType<typeof createCertificate> | null = null;

/** One for all tests of a file. */
export function certificate(): ReturnType<typeof createCertificate> {
  made ??= createCertificate(Date.now());
  return made;
}

/** An agent's connection: the channel of protocol over a socket. */
export async function connect(
  where: { kind: TransportKind; port: number; host: Pick<ManualHost, 'clock' | 'every'> },
  credentials: HubCredentials,
  events: HubEvents,
): Promise<HubConnection> {
  const { kind, port, host } = where;
  const early: string[] = [];
  let channel: HubChannel | null = null;
  let stopTicking = (): void => undefined;
  const transport = await openSocket(kind, port, {
    receive: (text) => (channel === null ? early.push(text) : channel.receive(text)),
    lost: () => {
      stopTicking();
      channel?.lost();
    },
  });
  const { channelBinding } = transport;
  const { clock } = host;
  const opened = new HubChannel({
    credentials,
    events,
    channelBinding,
    clock,
    random: systemRandom,
    transport,
  });
  channel = opened;
  for (const text of early) opened.receive(text);
  stopTicking = host.every(1_000, () => opened.tick());
  await opened.opened;
  setImmediate(() => opened.start());
  return opened;
}
