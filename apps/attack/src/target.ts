/**
 * The hub that is attacked, as the command line names it. Owns its address and how the kit's own
 * clients reach it; nothing secret of anybody is in it but the operator's registration token.
 */
import { NetworkHub } from '@agentmesh/hub-client';
import type { NetworkHubOptions } from '@agentmesh/hub-client';

/** Where a hub is. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** base64url; null to take the first key that is shown. */
  readonly hubKey: string | null;
  readonly token: string | null;
}

const DEFAULT_PORT = 7700;

/** Reads `host`, `host:port`, `tcp://…` or `tcps://…`; null if it is none. */
export function parseAddress(text: string): Pick<Target, 'host' | 'port' | 'secure'> | null {
  const [, scheme = 'tcps', rest = ''] = /^(?:(tcps?):\/\/)?([^/\s]+)\/?$/.exec(text) ?? [];
  if (rest === '') return null;
  const url = URL.parse(`http://${rest}`);
  if (url === null || url.hostname === '' || url.username !== '') return null;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isWritten = /:\d+$/.test(rest) || rest.endsWith(':80');
  const port = url.port === '' ? (isWritten ? 80 : DEFAULT_PORT) : Number(url.port);
  return { host, port, secure: scheme === 'tcps' };
}

/** The address as a URL. */
export function addressOfTarget({ host, port, secure }: Target): string {
  return `${secure ? 'tcps' : 'tcp'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The hub as an honest agent uses it. */
export function clientOf(target: Target, changes: Partial<NetworkHubOptions> = {}): NetworkHub {
  const { host, port, secure, hubKey, token } = target;
  const plain = secure ? {} : { tls: false, allowPlaintext: true };
  const known = hubKey === null ? {} : { hubKey };
  const allowed = token === null ? {} : { token };
  return new NetworkHub({ host, port, ...plain, ...known, ...allowed, ...changes });
}
