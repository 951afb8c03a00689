/**
 * Where a hub is, out of what a user wrote: a host, or several hosts and URLs. Owns the reading of
 * addresses and the refusal of those that would go unencrypted over a network without having been
 * asked for in so many words (hub.md §3).
 */
import { NetworkHubError } from './errors.js';
import type { HubAddress } from './transport.js';

/** The part of the options that addresses are made of. */
export interface AddressOptions {
  readonly host?: string | undefined;
  readonly hosts?: readonly string[] | undefined;
  readonly port?: number | undefined;
  readonly transport?: 'tcp' | 'websocket' | undefined;
  readonly tls?: boolean | undefined;
  readonly allowPlaintext?: boolean | undefined;
  readonly behindProxy?: boolean | undefined;
}

const MAX_HOSTS = 64;
const DEFAULT_PORT = 7700;
const PROTOCOLS: readonly string[] = ['ws:', 'wss:', 'tcp:', 'tcps:'];

/** All addresses, in the order given; BAD_OPTION saying what to write. */
export function addressesOf(options: AddressOptions): HubAddress[] {
  const { host, hosts } = options;
  if ((host === undefined) === (hosts === undefined)) refuse('give either host or hosts');
  const addresses = hosts === undefined ? [addressOf(options)] : severalOf(hosts, options);
  for (const address of addresses) {
    if (address.secure || isLoopback(address.host) || options.allowPlaintext === true) continue;
    refuse(
      `${address.host} is not this machine: leave out tls: false, or set allowPlaintext: true ` +
        'here and start the hub with --allow-plaintext',
    );
  }
  return addresses;
}

/** An address as users write it: `hub.example:7700`, `wss://hub.example:443`. */
export function addressText({ host, port, transport, secure }: HubAddress): string {
  const text = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return transport === 'tcp' ? text : `${secure ? 'wss' : 'ws'}://${text}`;
}

/** An address as a URL that says all of it: `tcps://hub.example:7700`. */
export function addressUrl({ host, port, transport, secure }: HubAddress): string {
  const scheme = transport === 'tcp' ? (secure ? 'tcps' : 'tcp') : secure ? 'wss' : 'ws';
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function severalOf(hosts: unknown, options: AddressOptions): HubAddress[] {
  if (!Array.isArray(hosts) || hosts.length === 0 || hosts.length > MAX_HOSTS) {
    return refuse(`hosts must be 1 to ${MAX_HOSTS} texts`);
  }
  const addresses = hosts.map((text: unknown) =>
    addressOf({ ...options, ...partsOf(text, options) }),
  );
  const texts = new Set(addresses.map(({ host, port }) => `${host} ${port}`));
  if (texts.size < addresses.length) refuse('hosts must not name an address twice');
  return addresses;
}

function addressOf(options: AddressOptions): HubAddress {
  const { host, port = DEFAULT_PORT, transport = 'tcp', behindProxy = false } = options;
  if (typeof host !== 'string' || host === '' || /[\s/@]/.test(host)) {
    return refuse('host must be a host name or an IP address');
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

/** What one text says by itself; the rest is the same for all. */
function partsOf(text: unknown, options: AddressOptions): AddressOptions {
  if (typeof text !== 'string') return refuse('hosts must be texts');
  if (text.includes('://')) return partsOfUrl(text, options);
  if (/:.*:/.test(text) && URL.canParse(`http://[${text}]`)) return { host: text };
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined) {
    return refuse('an address is a host, host:port or a URL such as ws://localhost:7700');
  }
  return port === undefined ? { host } : { host, port: Number(port) };
}

function partsOfUrl(text: string, options: AddressOptions): AddressOptions {
  const url = URL.parse(text);
  if (url === null || !PROTOCOLS.includes(url.protocol)) {
    return refuse(`a hub URL begins with ${PROTOCOLS.map((one) => `${one}//`).join(', ')}`);
  }
  if (!['', '/', '/ws'].includes(url.pathname) || url.search !== '' || url.username !== '') {
    refuse('a hub URL has a host and a port only');
  }
  const { port, transport, tls } = options;
  if (port !== undefined || transport !== undefined || tls !== undefined) {
    refuse('a hub URL says port, transport and tls itself');
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? defaultPortOf(url.protocol) : Number(url.port),
    transport: url.protocol.startsWith('ws') ? 'websocket' : 'tcp',
    tls: url.protocol === 'wss:' || url.protocol === 'tcps:',
    behindProxy: options.behindProxy ?? url.protocol === 'wss:',
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

function refuse(detail: string): never {
  throw new NetworkHubError('BAD_OPTION', detail);
}
