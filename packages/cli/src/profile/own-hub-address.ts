/**
 * Where agents find the hub that `agentmesh up` runs. Owns which address of this machine is named
 * where the hub listens on all of them.
 */
import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { OwnHub } from './settings.js';

const ALL: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** `HOST:PORT` for agents here and on other machines. */
export function ownHubAddress({ host, port }: OwnHub): string {
  const named = ALL.has(host) ? outside() : host;
  return isIPv6(named) ? `[${named}]:${port}` : `${named}:${port}`;
}

/** Whether only this machine reaches it. */
export function isOnlyHere(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** The first address of this machine in a network; itself if it is in none. */
function outside(): string {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? []);
  const found = all.find(({ family, internal }) => family === 'IPv4' && !internal);
  return found?.address ?? '127.0.0.1';
}
