/**
 * The hub that an agent runs itself where none is known: on this machine, for the agents of its
 * user. Owns its start, its folder and its port, which stays the same.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  BannedAgents,
  loadOrCreateCertificate,
  NetworkHubServer,
  serveOperator,
  SqliteHubStore,
} from '@agentmesh/hub-server';
import { systemClock } from '../machine.js';
import { readOwnHub, writeOwnHub } from '../profile/settings.js';
import type { OwnHubAddress } from '../profile/settings.js';

/** A hub that is served. */
export interface OwnHub extends OwnHubAddress {
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const PORT = 7_700;

/** A new hub takes the usual port, or any other one. */
const NEW_HUB: OwnHubAddress = { host: HOST, port: PORT };

/**
 * Starts the hub of a home, on the port that it has always had, and remembers that. Null where its
 * folder is in use: another profile runs it already.
 */
export async function startOwnHub(home: string): Promise<OwnHub | null> {
  const known = readOwnHub(home);
  const hub = await started(home, known ?? NEW_HUB, known === null);
  if (hub !== null) writeOwnHub(home, hub);
  return hub;
}

async function started(
  home: string,
  { host, port }: OwnHubAddress,
  isNew: boolean,
): Promise<OwnHub | null> {
  const data = join(home, 'hub');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const tls = await loadOrCreateCertificate(data, systemClock());
  const serve = async (at: number): Promise<OwnHub> => {
    const store = await SqliteHubStore.open({ folder: data });
    const close: (() => Promise<unknown>)[] = [() => store.close()];
    try {
      const banned = BannedAgents.read(data);
      const isBlocked = (aid: Uint8Array): boolean => banned.has(aid);
      const server = new NetworkHubServer({ store, host, port: at, tls, isBlocked });
      await server.start();
      close.unshift(() => server.stop());
      // A hub whose operator has no way in is a hub.
      const operator = await serveOperator({ server, store, folder: data, banned }).catch(
        () => null,
      );
      close.unshift(async () => operator?.close());
      return { host, port: server.port, close: () => inOrder(close) };
    } catch (error) {
      await inOrder(close);
      throw error;
    }
  };
  try {
    return await serve(port);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'STORE_LOCKED') return null;
    if (!isNew || code !== 'PORT_IN_USE') throw error;
    return serve(0);
  }
}

async function inOrder(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const step of steps) await step();
}
