/**
 * Raw connections to a real server, for tests of its transports: sockets that say what they like,
 * and agents that are authenticated in one call.
 */
import type { Socket } from 'node:net';
import { RawClient, seededRandom, TestAgent } from '@agentmesh/hub-compliance';
import type { HubUnderTest } from '@agentmesh/hub-compliance';
import type { CoreLimits } from '@agentmesh/hub-local';
import { MemoryHubStore, systemHost } from '@agentmesh/hub-local';
import { ready } from '@agentmesh/protocol';
import type { HubConnection, HubEvents } from '@agentmesh/protocol';
import { NetworkHubServer } from '../src/index.js';
import type { NetworkHubServerOptions } from '../src/index.js';
import { certificate, connect } from './served-hub.js';
import { dial, openSocket } from './socket-client.js';
import type { TransportKind } from './socket-client.js';

/** Runs a test with a server on a free port, real time and a store in memory. */
export async function withServer(
  options: Omit<NetworkHubServerOptions, 'store'> & { limits?: Partial<CoreLimits> },
  run: (server: NetworkHubServer) => Promise<void>,
): Promise<void> {
  await ready();
  const tls = await certificate();
  const server = new NetworkHubServer({ store: new MemoryHubStore(), port: 0, tls, ...options });
  await server.start();
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

/** A client of frames without manners. */
export function rawClient(port: number, kind: TransportKind = 'tcp'): Promise<RawClient> {
  const rest = () => Promise.resolve();
  const open: HubUnderTest['open'] = (client) => openSocket(kind, port, client);
  const hub: Partial<HubUnderTest> = { open, rest };
  return RawClient.connect(hub as HubUnderTest);
}

/** The same over TCP, with its socket. */
export async function rawClientAndSocket(
  port: number,
): Promise<{ client: RawClient; socket: Socket }> {
  let socket: Socket | null = null;
  const open: HubUnderTest['open'] = async (client) => {
    const opened = await openSocket('tcp', port, client);
    socket = opened.socket;
    return opened;
  };
  const rest = () => Promise.resolve();
  const client = await RawClient.connect({ open, rest } as Partial<HubUnderTest> as HubUnderTest);
  return { client, socket: socket! };
}

const silent: HubEvents = {
  authenticated() {},
  deliver() {},
  notice() {},
  down() {},
  closed() {},
};

let agents = 0;

/** A new identity. */
export function newAgent(name: string): TestAgent {
  agents += 1;
  return new TestAgent(name, seededRandom(agents));
}

/** A new agent's authenticated connection. */
export function join(
  port: number,
  agent: TestAgent,
  events: Partial<HubEvents> = {},
  kind: TransportKind = 'tcp',
): Promise<HubConnection> {
  const where = { kind, port, host: systemHost };
  return connect(where, agent.credentials(), { ...silent, ...events });
}

/** A bare socket that collects what it reads. */
export async function bareSocket(
  port: number,
  kind: 'tcp' | 'tls' = 'tcp',
): Promise<{ socket: Socket; text: () => string; ended: Promise<void> }> {
  const socket = await dial(kind, port);
  let text = '';
  socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')));
  socket.on('error', () => socket.destroy());
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  return { socket, text: () => text, ended };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Waits for a condition, at most two seconds unless told. */
export async function until(condition: () => boolean, ms = 2_000): Promise<void> {
  const endMs = Date.now() + ms;
  while (!condition() && Date.now() < endMs) await pause(5);
  if (!condition()) throw new TypeError('waited in vain');
}
