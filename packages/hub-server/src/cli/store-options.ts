/**
 * Which store a hub is given on its command line. Owns what goes together and what may be shown;
 * the flags themselves are in `options`, the store is opened by `run`.
 */
import { join } from 'node:path';
import { expandHome } from '../private-files.js';
import { ServerError } from '../server-error.js';

/** A store in NATS, as configured. */
export interface NatsStoreConfig {
  readonly kind: 'nats';
  /** May hold a password: never to be printed. */
  readonly servers: string;
  readonly hubKeyFile: string;
  readonly credsFile?: string | undefined;
  readonly nkeyFile?: string | undefined;
  readonly tlsCaFile?: string | undefined;
  readonly tlsCertFile?: string | undefined;
  readonly tlsKeyFile?: string | undefined;
  readonly prefix?: string | undefined;
  readonly replicas?: number | undefined;
  readonly shards?: number | undefined;
}

/** Where a hub keeps everything. */
export type StoreConfig = { readonly kind: 'sqlite'; readonly folder: string } | NatsStoreConfig;

/** The flags that say it, each valid for itself. */
export interface StoreOptions {
  readonly data: string;
  readonly store: string;
  readonly 'hub-key-file'?: string | undefined;
  readonly 'nats-creds'?: string | undefined;
  readonly 'nats-nkey'?: string | undefined;
  readonly 'nats-ca'?: string | undefined;
  readonly 'nats-cert'?: string | undefined;
  readonly 'nats-key'?: string | undefined;
  readonly 'nats-prefix'?: string | undefined;
  readonly 'nats-replicas'?: number | undefined;
  readonly 'nats-shards'?: number | undefined;
  readonly 'max-disk'?: number | undefined;
}

/** BAD_OPTION for what does not go together. */
export function storeOf(options: StoreOptions): StoreConfig {
  return options.store.startsWith('sqlite') ? sqliteOf(options) : natsOf(options);
}

/** The same without secrets. */
export function shownStore(store: StoreConfig): object {
  if (store.kind === 'sqlite') return store;
  return { ...store, servers: addressesOf(store.servers).map(({ host }) => host) };
}

function sqliteOf(options: StoreOptions): StoreConfig {
  const entries = Object.entries<unknown>({ ...options });
  const [useless] = entries.find(([name, value]) => isOfNats(name) && value !== undefined) ?? [];
  if (useless !== undefined) refuse(`--${useless} goes with --store nats://…`);
  const folder = options.store.slice('sqlite:'.length);
  return { kind: 'sqlite', folder: folder === '' ? options.data : expandHome(folder) };
}

function natsOf(options: StoreOptions): NatsStoreConfig {
  const [cert, key] = [options['nats-cert'], options['nats-key']];
  const [credsFile, nkeyFile] = [options['nats-creds'], options['nats-nkey']];
  const [first] = addressesOf(options.store);
  if ((cert === undefined) !== (key === undefined))
    refuse('--nats-cert and --nats-key go together');
  const ways = [credsFile !== undefined, nkeyFile !== undefined, first?.username !== ''];
  if (ways.filter(Boolean).length > 1) {
    refuse('one of --nats-creds, --nats-nkey and a user or token in --store');
  }
  if (options['max-disk'] !== undefined) {
    refuse('--max-disk is for SQLite: limit the account or the streams of NATS');
  }
  return {
    kind: 'nats',
    servers: options.store,
    hubKeyFile: options['hub-key-file'] ?? join(options.data, 'hub.key'),
    credsFile,
    nkeyFile,
    tlsCaFile: options['nats-ca'],
    tlsCertFile: cert,
    tlsKeyFile: key,
    prefix: options['nats-prefix'],
    replicas: options['nats-replicas'],
    shards: options['nats-shards'],
  };
}

/** The first begins with `nats://` or `tls://`, the others may. */
function addressesOf(servers: string): URL[] {
  const texts = servers.split(',').map((text) => text.trim());
  return texts.map((text) => {
    const address = /^(nats|tls):\/\//.test(text) ? text : `nats://${text}`;
    const url = URL.canParse(address) ? new URL(address) : null;
    if (url === null || url.hostname === '' || url.pathname.length > 1) {
      return refuse('--store: nats://HOST:PORT, several by commas');
    }
    return url;
  });
}

function isOfNats(name: string): boolean {
  return name.startsWith('nats-') || name === 'hub-key-file';
}

function refuse(detail: string): never {
  throw new ServerError('BAD_OPTION', { detail });
}
