/**
 * Ports of this machine: free ones, and whether given ones are. Owns the probing; which ports are
 * wanted is `plan`.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { ClusterError } from './cluster-error.js';
import { HOST } from './plan.js';

/** Ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listening(0)));
  return servers.map((server) => {
    const address = server.address();
    server.close();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
}

/** Throws with the first port that somebody else listens on. */
export async function assertFree(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const server = await listening(port).catch(() => {
      throw new ClusterError(`port ${port} is in use: stop what listens there, or see --help`);
    });
    server.close();
    await once(server, 'close');
  }
}

async function listening(port: number): Promise<Server> {
  const server = createServer();
  server.listen(port, HOST);
  await once(server, 'listening');
  return server;
}
