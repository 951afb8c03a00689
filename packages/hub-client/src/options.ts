/**
 * What a user tells a `NetworkHub`, and what is made of it. Owns defaults and refusals: an address
 * that would go unencrypted over a network needs to be asked for in so many words (hub.md §3).
 */
import { fromBase64Url } from '@agentmesh/protocol';
import { NetworkHubError } from './errors.js';
import type { HubAddress } from './transport.js';

/** Options of `NetworkHub`; only `host` is needed. */
export interface NetworkHubOptions {
  readonly host: string;
  /** Default: 7700. */
  readonly port?: number | undefined;
  /** Default: `tcp`; browsers have `websocket` only. */
  readonly transport?: 'tcp' | 'websocket' | undefined;
  /** Default: true for `tcp`, false for `websocket`. */
  readonly tls?: boolean | undefined;
  /** Allows `tls: false` to a host that is not this machine; the hub must allow it too. */
  readonly allowPlaintext?: boolean | undefined;
  /**
   * TLS does not reach the hub itself: a proxy ends it, or a browser or `wss:` hides it. The
   * connection is then not bound to the hub key, so both sides must say so.
   */
  readonly behindProxy?: boolean | undefined;
  /** The hub's key (32 bytes or their base64url text): no other hub is talked to. */
  readonly hubKey?: Uint8Array | string | undefined;
  /** Registration token, where the hub asks for one. */
  readonly token?: string | undefined;
  /** How long `connect` goes on trying a hub that does not answer. Default: 10 s. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long a request waits for its reply, reconnecting included. Default: 30 s. */
  readonly requestTimeoutMs?: number | undefined;
}

/** Options with their defaults, checked. */
export interface NetworkHubSettings {
  readonly address: HubAddress;
  readonly hubKey: Uint8Array | null;
  readonly token: string | undefined;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

const DEFAULT_PORT = 7700;
const KNOWN: ReadonlySet<string> = new Set<keyof NetworkHubOptions>([
  'host',
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

/** Checks options, or a `ws:`, `wss:` or `tcp:` URL; throws BAD_OPTION saying what to write. */
export function settingsOf(given: NetworkHubOptions | string): NetworkHubSettings {
  const options = typeof given === 'string' ? optionsOfUrl(given) : given;
  const unknown = Object.keys(options).filter((key) => !KNOWN.has(key));
  if (unknown.length > 0) refuse(`unknown option ${unknown.join(', ')}`);
  const address = addressOf(options);
  if (!address.secure && !isLoopback(address.host) && options.allowPlaintext !== true) {
    refuse(
      `${address.host} is not this machine: leave out tls: false, or set allowPlaintext: true ` +
        'here and start the hub with --allow-plaintext',
    );
  }
  return {
    address,
    hubKey: hubKeyOf(options.hubKey),
    token: options.token,
    connectTimeoutMs: durationOf(options.connectTimeoutMs, 10_000, 'connectTimeoutMs'),
    requestTimeoutMs: durationOf(options.requestTimeoutMs, 30_000, 'requestTimeoutMs'),
  };
}

function addressOf(options: NetworkHubOptions): HubAddress {
  const { host, port = DEFAULT_PORT, transport = 'tcp', behindProxy = false } = options;
  if (typeof host !== 'string' || host === '' || /[\s/@]/.test(host)) {
    refuse('host must be a host name or an IP address');
  }
  if (!Number.isInteger(port) || port < 1 || port > 65_535) refuse('port must be 1 to 65535');
  if (transport !== 'tcp' && transport !== 'websocket') {
    refuse('transport must be "tcp" or "websocket"');
  }
  const secure = options.tls ?? transport === 'tcp';
  if (transport === 'websocket' && secure && !behindProxy) {
    refuse(
      'a wss: connection cannot be bound to the hub key: set behindProxy: true here and start ' +
        'the hub with --behind-proxy',
    );
  }
  return { host, port, transport, secure, behindProxy };
}

function optionsOfUrl(text: string): NetworkHubOptions {
  const url = URL.parse(text);
  const protocols = ['ws:', 'wss:', 'tcp:', 'tcps:'];
  if (url === null || !protocols.includes(url.protocol)) {
    return refuse('an address is { host, port } or a URL such as ws://localhost:7700');
  }
  if (!['', '/', '/ws'].includes(url.pathname) || url.search !== '' || url.username !== '') {
    refuse('a hub URL has a host and a port only');
  }
  const secure = url.protocol === 'wss:' || url.protocol === 'tcps:';
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? defaultPortOf(url.protocol) : Number(url.port),
    transport: url.protocol.startsWith('ws') ? 'websocket' : 'tcp',
    tls: secure,
    behindProxy: url.protocol === 'wss:',
  };
}

function defaultPortOf(protocol: string): number {
  if (protocol === 'wss:') return 443;
  return protocol === 'ws:' ? 80 : DEFAULT_PORT;
}

/** Whether a host is this machine; names other than `localhost` are not looked up. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
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

function durationOf(given: number | undefined, otherwise: number, name: string): number {
  if (given === undefined) return otherwise;
  if (!Number.isFinite(given) || given <= 0) refuse(`${name} must be a positive number`);
  return given;
}

function refuse(detail: string): never {
  throw new NetworkHubError('BAD_OPTION', detail);
}
