/**
 * Which HTTP requests a hub answers, by what a browser says of the page behind them. A page of any
 * site can make a browser connect to a hub on the same machine, and with a name of its own that it
 * points there (DNS rebinding) it is even of the same origin. Owns the judgement of `Origin`,
 * `Host` and forwarding headers; not who may read which page.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { forwardedAddress, isLoopback } from './address.js';

/** What the operator allows. */
export interface WebAccessOptions {
  /** Origins in the form of the header, such as `https://app.example`. */
  readonly origins: readonly string[];
  /** Names by which pages may reach this hub, beside `localhost` and IP addresses. */
  readonly hosts: readonly string[];
  /** TLS ends before this hub: the scheme that the page used is not known here. */
  readonly behindProxy: boolean;
}

/** What is known of a request. */
export interface WebRequest {
  readonly headers: IncomingHttpHeaders;
  /** IP address of the other end of the connection. */
  readonly address: string;
  /** Whether TLS ends in this hub. */
  readonly secure: boolean;
}

/** Why a request is refused. */
export type WebRefusal = 'origin' | 'host';

/** Headers of which each shows that a proxy stands between. */
const FORWARDED = ['x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via'] as const;

/** One per server. */
export class WebAccess {
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: ReadonlySet<string>;
  readonly #behindProxy: boolean;

  constructor({ origins, hosts, behindProxy }: WebAccessOptions) {
    this.#origins = new Set(origins);
    this.#hosts = new Set([
      'localhost',
      ...hosts.map((host) => host.toLowerCase()),
      ...origins.map((origin) => new URL(origin).hostname),
    ]);
    this.#behindProxy = behindProxy;
  }

  /**
   * Null if the request may be answered. A browser always names the page that opens a WebSocket, so
   * a request without one is no page. On this machine, where a hub is open to every program, the
   * name that was asked for counts even then.
   */
  refusalOf(request: WebRequest): WebRefusal | null {
    const { origin, host } = request.headers;
    const isPage = origin !== undefined || request.headers['sec-fetch-site'] !== undefined;
    const isLocal = isLoopback(request.address) && !this.#behindProxy;
    if (origin !== undefined && this.#origins.has(origin)) return null;
    if ((isPage || isLocal) && !this.#isKnown(host)) return 'host';
    if (origin !== undefined) return this.#isOwn(origin, request) ? null : 'origin';
    const site = request.headers['sec-fetch-site'];
    return site === undefined || site === 'same-origin' || site === 'none' ? null : 'origin';
  }

  /** Whether a request comes from this machine itself, not through a proxy on it. */
  isLocal({ headers, address }: WebRequest): boolean {
    return isLoopback(address) && !isForwarded(headers) && this.#isKnown(headers.host);
  }

  /** No name at all is not a browser's request. */
  #isKnown(host: string | undefined): boolean {
    const name = host === undefined ? undefined : nameOf(host);
    if (name === undefined) return host === undefined;
    return isIP(name) !== 0 || this.#hosts.has(name);
  }

  /** A page that this hub, or the proxy before it, served under the name that is asked for. */
  #isOwn(origin: string, { headers, secure }: WebRequest): boolean {
    const host = headers.host?.toLowerCase();
    if (host === undefined) return false;
    const schemes = this.#behindProxy ? ['http', 'https'] : [secure ? 'https' : 'http'];
    return schemes.some((scheme) => origin === `${scheme}://${host}`);
  }
}

/** Whether a proxy stands between, by its own word. */
export function isForwarded(headers: IncomingHttpHeaders): boolean {
  return FORWARDED.some((name) => headers[name] !== undefined);
}

/** The address that the nearest proxy saw; null where it does not say, then it has to limit. */
export function forwardedFor(headers: IncomingHttpHeaders): string | null {
  const header = headers['x-forwarded-for'];
  const last = (Array.isArray(header) ? header.join() : (header ?? '')).split(',').at(-1) ?? '';
  return forwardedAddress(last);
}

/** Host name or address without a port, in lower case; undefined for what is neither. */
function nameOf(host: string): string | undefined {
  const bracketed = /^\[([\da-f:.]+)\](?::\d{1,5})?$/i.exec(host)?.[1];
  return (bracketed ?? /^([^\s:/@[\]]+)(?::\d{1,5})?$/.exec(host)?.[1])?.toLowerCase();
}
