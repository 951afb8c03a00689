/**
 * How a hub gets into NATS: addresses, credentials and TLS, from an address such as
 * `nats://user:password@host:4222,other:4222` and files. Owns reading them; secrets stay in the
 * returned options and appear in no text.
 */
import { credsAuthenticator, nkeyAuthenticator } from '@nats-io/transport-node';
import type { Authenticator, NodeConnectionOptions, TlsOptions } from '@nats-io/transport-node';
import { readFileSync } from 'node:fs';
import { JetStreamStoreError } from './jetstream-error.js';

/** Where NATS is, and as whom to enter. */
export interface NatsAccess {
  /** `nats://` or `tls://` addresses, by commas; user and password, or token, in the first. */
  readonly servers: string;
  /** A `.creds` file of NATS: account and user by their keys. */
  readonly credsFile?: string | undefined;
  /** A file with the seed of a user's nkey. */
  readonly nkeyFile?: string | undefined;
  /** PEM file with the certificates that NATS is checked with. Default: those of the system. */
  readonly tlsCaFile?: string | undefined;
  /** PEM file with the certificate that the hub shows NATS. */
  readonly tlsCertFile?: string | undefined;
  /** PEM file with the private key of that certificate. */
  readonly tlsKeyFile?: string | undefined;
}

const CONNECT_MS = 5_000;
/** A server that answers nothing for twice as long is given up for another one. */
const PING_MS = 2_000;

/** Options of the client: STORE_ADDRESS, STORE_CREDENTIALS for a file that cannot be read. */
export function natsOptions(access: NatsAccess): NodeConnectionOptions {
  const urls = access.servers.split(',').map((address) => urlOf(address.trim()));
  const [first] = urls;
  const isTls = urls.some(({ protocol }) => protocol === 'tls:') || access.tlsCaFile !== undefined;
  const user = decodeURIComponent(first?.username ?? '');
  const pass = decodeURIComponent(first?.password ?? '');
  return {
    servers: urls.map(({ host }) => host),
    name: 'agentmesh-hub',
    timeout: CONNECT_MS,
    pingInterval: PING_MS,
    maxPingOut: 2,
    // A hub need not hear its own news.
    noEcho: true,
    ...(user === '' ? {} : pass === '' ? { token: user } : { user, pass }),
    ...authenticatorOf(access),
    ...(isTls ? { tls: tlsOptions(access) } : {}),
  };
}

function authenticatorOf({ credsFile, nkeyFile }: NatsAccess): { authenticator?: Authenticator } {
  if (credsFile !== undefined) {
    return { authenticator: usable(credsAuthenticator(fileOf(credsFile)), credsFile) };
  }
  if (nkeyFile === undefined) return {};
  const seed = new TextDecoder().decode(fileOf(nkeyFile)).trim();
  const authenticator = nkeyAuthenticator(new TextEncoder().encode(seed));
  return { authenticator: usable(authenticator, nkeyFile) };
}

/** Signs once for trial, so that a bad file is found before NATS is asked. */
function usable(authenticator: Authenticator, path: string): Authenticator {
  try {
    authenticator('trial');
    return authenticator;
  } catch (cause) {
    throw new JetStreamStoreError('STORE_CREDENTIALS', { detail: path, cause });
  }
}

function tlsOptions({ tlsCaFile, tlsCertFile, tlsKeyFile }: NatsAccess): TlsOptions {
  return {
    ...(tlsCaFile === undefined ? {} : { caFile: tlsCaFile }),
    ...(tlsCertFile === undefined ? {} : { certFile: tlsCertFile }),
    ...(tlsKeyFile === undefined ? {} : { keyFile: tlsKeyFile }),
  };
}

function urlOf(address: string): URL {
  const text = /^[a-z]+:\/\//.test(address) ? address : `nats://${address}`;
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '') {
    throw new JetStreamStoreError('STORE_ADDRESS');
  }
  if (url.port === '') url.port = '4222';
  return url;
}

function fileOf(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new JetStreamStoreError('STORE_CREDENTIALS', { detail: path, cause });
  }
}
