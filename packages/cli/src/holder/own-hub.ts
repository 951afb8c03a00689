/**
 * The hub that an agent runs itself where none is known: on this machine, for the agents of its
 * user and, with a token, for those of other machines. Owns its start, its folder and its port.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  BannedAgents,
  HubTokens,
  loadOrCreateCertificate,
  NetworkHubServer,
  serveOperator,
  SqliteHubStore,
} from '@agentmesh/hub-server';
import type { TlsIdentity } from '@agentmesh/hub-server';
import { systemClock } from '../machine.js';
import { isOnlyHere } from '../profile/own-hub-address.js';
import { readOwnHub, writeOwnHub } from '../profile/settings.js';
import type { OwnHub } from '../profile/settings.js';

/** A hub that is served. */
export interface RunningHub extends OwnHub {
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const PORT = 7_700;

/** A new hub takes the usual port, or any other one. */
const NEW_HUB: OwnHub = { host: HOST, port: PORT };

/**
 * Starts the hub of a home, where it has always listened unless `host` says otherwise, and
 * remembers that. Null where its folder is in use: another profile runs it already.
 */
export async function startOwnHub(
  home: string,
  host: string | undefined,
): Promise<RunningHub | null> {
  const known = readOwnHub(home);
  const wanted = { ...(known ?? NEW_HUB), ...(host === undefined ? {} : { host }) };
  const hub = await started(home, wanted, known === null);
  if (hub !== null) writeOwnHub(home, hub);
  return hub;
}

async function started(
  home: string,
  { host, port }: OwnHub,
  isNew: boolean,
): Promise<RunningHub | null> {
  const data = join(home, 'hub');
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const tls = await loadOrCreateCertificate(data, systemClock());
  try {
    return await serve({ data, tls, host, port });
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'STORE_LOCKED') return null;
    if (!isNew || code !== 'PORT_IN_USE') throw error;
    return serve({ data, tls, host, port: 0 });
  }
}

async function serve({
  data,
  tls,
  host,
  port,
}: {
  readonly data: string;
  readonly tls: TlsIdentity;
  readonly host: string;
  readonly port: number;
}): Promise<RunningHub> {
  const store = await SqliteHubStore.open({ folder: data });
  const close: (() => Promise<unknown>)[] = [() => store.close()];
  try {
    const banned = BannedAgents.read(data);
    // Whoever can reach it from elsewhere needs what an invite carries.
    const tokens = isOnlyHere(host) ? null : HubTokens.open(data);
    const registration = tokens?.registration ?? { mode: 'open' };
    const isBlocked = (aid: Uint8Array): boolean => banned.has(aid);
    const server = new NetworkHubServer({ store, host, port, tls, isBlocked, registration });
    await server.start();
    close.unshift(() => server.stop());
    const newToken = tokens === null ? null : () => tokens.add();
    // A hub whose operator has no way in is a hub.
    const operator = await serveOperator({ server, store, folder: data, banned, newToken }).catch(
      () => null,
    );
    close.unshift(async () => operator?.close());
    const { port: bound } = server;
    return { host, port: bound, token: tokens?.first, close: () => inOrder(close) };
  } catch (error) {
    await inOrder(close);
    throw error;
  }
}

async function inOrder(steps: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (const step of steps) await step();
}
