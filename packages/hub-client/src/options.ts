/**
 * What a user tells a `NetworkHub`, and what is made of it. Owns defaults and refusals; where the
 * hub is, is read by `hub-addresses`.
 */
import { fromBase64Url, PROTOCOL_LIMITS } from '@agentmesh/protocol';
import { NetworkHubError } from './errors.js';
import { addressesOf } from './hub-addresses.js';
import type { HubAddress } from './transport.js';

/** Options of `NetworkHub`; only `host`, or `hosts`, is needed. */
export interface NetworkHubOptions {
  /** Name or IP address of the hub. */
  readonly host?: string | undefined;
  /**
   * Instead of `host`: hubs that share one store and key, each as `host`, `host:port` or a `ws:`,
   * `wss:`, `tcp:` or `tcps:` URL. An agent connects to one of them, and to another if it fails.
   */
  readonly hosts?: readonly string[] | undefined;
  /** Port of every host that names none. Default: 7700. */
  readonly port?: number | undefined;
  /** How to connect. Default: `tcp`; browsers support `websocket` only. */
  readonly transport?: 'tcp' | 'websocket' | undefined;
  /** Whether to use TLS. Default: true for `tcp`, false for `websocket`. */
  readonly tls?: boolean | undefined;
  /** Allows `tls: false` to a host that is not this machine; the hub must allow it too. */
  readonly allowPlaintext?: boolean | undefined;
  /**
   * TLS ends in a proxy before the hub. The connection is then not bound to the hub key, so the hub
   * must be started with `--behind-proxy`. Default: true for `wss:` URLs.
   */
  readonly behindProxy?: boolean | undefined;
  /** Key of the hub (32 bytes or their base64url text). A hub with another key is refused. */
  readonly hubKey?: Uint8Array | string | undefined;
  /** Registration token, if the hub asks for one. */
  readonly token?: string | undefined;
  /** How long the first connection may take, in milliseconds. Default: 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long a request waits for its reply, reconnections included, in ms. Default: 30,000. */
  readonly requestTimeoutMs?: number | undefined;
}

/** Options with their defaults, checked. */
export interface NetworkHubSettings {
  /** At least one, none of them twice. */
  readonly addresses: readonly HubAddress[];
  readonly hubKey: Uint8Array | null;
  readonly token: string | undefined;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How long one address may take to connect, and how long then to authenticate. */
  readonly patience: { readonly connectMs: number; readonly authenticationMs: number };
}

/** What one of several silent addresses may take at least. */
const LEAST_PATIENCE_MS = 2_000;
const KNOWN: ReadonlySet<string> = new Set<keyof NetworkHubOptions>([
  'host',
  'hosts',
  'port',
  'transport',
  'tls',
  'allowPlaintext',
  'behindProxy',
  'hubKey',
  'token',
  'connectTimeoutMs',
  'requestTimeoutMs',
]);

/** Checks options, or one address or several; throws BAD_OPTION saying what to write. */
export function settingsOf(
  given: NetworkHubOptions | string | readonly string[],
): NetworkHubSettings {
  const options = optionsOf(given);
  const unknown = Object.keys(options).filter((key) => !KNOWN.has(key));
  if (unknown.length > 0) refuse(`unknown option ${unknown.join(', ')}`);
  const addresses = addressesOf(options);
  const connectTimeoutMs = durationOf(options.connectTimeoutMs, 10_000, 'connectTimeoutMs');
  return {
    addresses,
    hubKey: hubKeyOf(options.hubKey),
    token: tokenOf(options.token),
    connectTimeoutMs,
    requestTimeoutMs: durationOf(options.requestTimeoutMs, 30_000, 'requestTimeoutMs'),
    patience: patienceOf(addresses.length, connectTimeoutMs),
  };
}

function optionsOf(given: NetworkHubOptions | string | readonly string[]): NetworkHubOptions {
  if (typeof given === 'string') return { hosts: [given] };
  return isList(given) ? { hosts: given } : given;
}

/** `Array.isArray` for lists that are readonly. */
function isList(value: NetworkHubOptions | readonly string[]): value is readonly string[] {
  return Array.isArray(value);
}

/** A silent address among several must leave time for the others. */
function patienceOf(addresses: number, connectTimeoutMs: number): NetworkHubSettings['patience'] {
  const { authenticationMs } = PROTOCOL_LIMITS;
  if (addresses === 1) return { connectMs: connectTimeoutMs, authenticationMs };
  const share = Math.max(connectTimeoutMs / addresses, LEAST_PATIENCE_MS);
  const connectMs = Math.min(share, connectTimeoutMs);
  return { connectMs, authenticationMs: Math.min(connectMs, authenticationMs) };
}

function hubKeyOf(given: Uint8Array | string | undefined): Uint8Array | null {
  if (given === undefined) return null;
  try {
    const bytes = typeof given === 'string' ? fromBase64Url(given) : given.slice();
    if (bytes.length === 32) return bytes;
  } catch {
    // Refused below with everything else that is not a key.
  }
  return refuse('hubKey must be 32 bytes, or their base64url text as the hub prints it');
}

function tokenOf(given: string | undefined): string | undefined {
  if (given === undefined || /^[\x21-\x7e]{1,512}$/.test(given)) return given;
  return refuse(
    'token must be 1 to 512 visible ASCII characters without spaces, as the hub has it',
  );
}

function durationOf(given: number | undefined, otherwise: number, name: string): number {
  if (given === undefined) return otherwise;
  if (!Number.isFinite(given) || given <= 0) refuse(`${name} must be a positive number`);
  return given;
}

function refuse(detail: string): never {
  throw new NetworkHubError('BAD_OPTION', detail);
}
