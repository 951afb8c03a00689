/**
 * The table of `agentmesh-hub`'s options: flags, defaults, meanings and what a value must be. Help,
 * parsing and the table in docs/self-hosting.md come from it. Owns texts only; what is valid is
 * checked in `options`.
 */

/** One flag. `value` is null for a switch. */
export interface OptionRule {
  readonly value: string | null;
  readonly fallback: string;
  readonly meaning: string;
  /** What a value must be, for the refusal of another one; by default the meaning says it. */
  readonly expected?: string;
  /** May be given several times; separated by commas in the variable. */
  readonly isList?: boolean;
}

/** Every flag, in the order of `--help`. Its variable is AGENTMESH_ and the name in capitals. */
export const OPTIONS = {
  host: {
    value: 'ADDRESS',
    fallback: '127.0.0.1',
    meaning: 'Address to listen on',
    expected: 'an IP address or a host name',
  },
  port: {
    value: 'PORT',
    fallback: '7700',
    meaning: 'Port to listen on; 0 for any free one',
    expected: 'a whole number from 0 to 65535',
  },
  data: {
    value: 'FOLDER',
    fallback: './agentmesh-hub-data',
    meaning: 'Database, certificate and tokens; made if missing, readable by its owner only',
  },
  store: {
    value: 'STORE',
    fallback: 'sqlite in the data folder',
    meaning: 'sqlite, sqlite:FOLDER, or nats://HOST:PORT,… (tls://…) to share it with other hubs',
  },
  'hub-key-file': {
    value: 'FILE',
    fallback: 'hub.key in the data folder',
    meaning: 'Key of the hubs that share a store in NATS: the same file for all of them',
  },
  'nats-creds': { value: 'FILE', fallback: 'none', meaning: 'Credentials file of NATS' },
  'nats-nkey': { value: 'FILE', fallback: 'none', meaning: 'Seed of a user key of NATS' },
  'nats-ca': {
    value: 'FILE',
    fallback: 'those of the system',
    meaning: 'Certificates that NATS is checked with, PEM',
  },
  'nats-cert': {
    value: 'FILE',
    fallback: 'none',
    meaning: 'Certificate that the hub shows NATS, PEM',
  },
  'nats-key': { value: 'FILE', fallback: 'none', meaning: 'Private key of that certificate' },
  'nats-prefix': {
    value: 'NAME',
    fallback: 'agentmesh',
    meaning: 'Begins the names of streams and subjects: one for each store',
    expected: '1 to 32 letters and digits',
  },
  'nats-replicas': {
    value: 'NUMBER',
    fallback: '3 where NATS is a cluster, else 1',
    meaning: 'Copies of each stream, 1 to 5; counts for the hub that makes the store',
    expected: 'a whole number from 1 to 5',
  },
  'nats-shards': {
    value: 'NUMBER',
    fallback: '4',
    meaning: 'Streams for queues, 1 to 64; counts for the hub that makes the store',
    expected: 'a whole number from 1 to 64',
  },
  registration: {
    value: 'MODE',
    fallback: 'open on loopback without --behind-proxy, else token',
    meaning: 'Who may register a new name: open, token or allowlist',
    expected: 'open, token or allowlist',
  },
  'token-file': {
    value: 'FILE',
    fallback: 'tokens in the data folder, made if missing',
    meaning: 'Registration tokens, one per line',
  },
  'allowlist-file': {
    value: 'FILE',
    fallback: 'none',
    meaning: 'Names or am2 addresses that may register, one per line',
  },
  'tls-cert': {
    value: 'FILE',
    fallback: 'a self-made certificate, kept in the data folder',
    meaning: 'TLS certificate chain, PEM',
  },
  'tls-key': { value: 'FILE', fallback: 'as above', meaning: 'Private key of that certificate' },
  'behind-proxy': {
    value: null,
    fallback: 'off',
    meaning: 'TLS ends in a proxy before this hub; clients must be told too',
  },
  'allow-origin': {
    value: 'ORIGIN',
    fallback: 'none',
    meaning: "Web pages that may connect, such as https://app.example, beside the hub's own",
    expected: 'http:// or https://, a host and perhaps a port, nothing after it',
    isList: true,
  },
  'allow-host': {
    value: 'NAME',
    fallback: '--host, localhost and IP addresses',
    meaning: 'Further host names that web pages may reach this hub by',
    expected: 'a host name without a port',
    isList: true,
  },
  'require-tls': {
    value: null,
    fallback: 'off',
    meaning: 'Take no frames without TLS, from this machine neither: behind a local forwarder',
  },
  'allow-plaintext': {
    value: null,
    fallback: 'off',
    meaning: 'Take unencrypted connections from other machines; clients must be told too',
  },
  metrics: {
    value: 'WHO',
    fallback: 'loopback',
    meaning: 'Who may read /metrics: loopback, all or off',
    expected: 'loopback, all or off',
  },
  'max-disk': {
    value: 'SIZE',
    fallback: 'the file system',
    meaning: 'Quota of the database, such as 500M or 20G; sending stops at 90 % of it',
    expected: 'a whole number of bytes, or one with K, M or G',
  },
  'accept-lost-log': {
    value: null,
    fallback: 'off',
    meaning: 'Start with a database that was copied without hub.db-wal, without what was in it',
  },
  limit: {
    value: 'NAME=NUMBER',
    fallback: 'see docs/self-hosting.md',
    meaning: 'Lower a limit; may be repeated (in the variable: separated by commas)',
    expected: 'NAME=NUMBER, such as connections=500',
    isList: true,
  },
  'log-level': {
    value: 'LEVEL',
    fallback: 'info',
    meaning: 'error, warn, info or silent',
    expected: 'error, warn, info or silent',
  },
} as const satisfies Readonly<Record<string, OptionRule>>;

/** Name of a flag. */
export type OptionName = keyof typeof OPTIONS;

/** Name of an option's environment variable. */
export function variableOf(name: string): string {
  return `AGENTMESH_${name.toUpperCase().replaceAll('-', '_')}`;
}
