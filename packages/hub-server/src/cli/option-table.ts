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
    meaning: 'Folder of database, certificate and tokens; created for its owner only',
  },
  store: {
    value: 'STORE',
    fallback: 'sqlite in the data folder',
    meaning: 'sqlite, sqlite:FOLDER, or nats://HOST:PORT,… (tls://…) to share it with other hubs',
  },
  'hub-key-file': {
    value: 'FILE',
    fallback: 'hub.key in the data folder',
    meaning: 'Hub key for hubs that share a store in NATS; every hub needs the same file',
  },
  'nats-creds': { value: 'FILE', fallback: 'none', meaning: 'Credentials file of NATS' },
  'nats-nkey': { value: 'FILE', fallback: 'none', meaning: 'Seed of a user key of NATS' },
  'nats-ca': {
    value: 'FILE',
    fallback: 'those of the system',
    meaning: 'Certificates to check NATS with, PEM',
  },
  'nats-cert': {
    value: 'FILE',
    fallback: 'none',
    meaning: 'Certificate that the hub presents to NATS, PEM',
  },
  'nats-key': { value: 'FILE', fallback: 'none', meaning: 'Private key of that certificate' },
  'nats-prefix': {
    value: 'NAME',
    fallback: 'agentmesh',
    meaning: 'Prefix of all streams and subjects; each store needs its own',
    expected: '1 to 32 letters and digits',
  },
  'nats-replicas': {
    value: 'NUMBER',
    fallback: '3 where NATS is a cluster, else 1',
    meaning: 'Copies of each stream, 1 to 5; used by the hub that creates the store',
    expected: 'a whole number from 1 to 5',
  },
  'nats-shards': {
    value: 'NUMBER',
    fallback: '4',
    meaning: 'Streams for queues, 1 to 64; used by the hub that creates the store',
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
    fallback: 'tokens in the data folder, created if missing',
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
    meaning: 'TLS ends in a proxy before this hub; clients must set behindProxy too',
  },
  'allow-origin': {
    value: 'ORIGIN',
    fallback: 'none',
    meaning: 'Origin of web pages that may connect, such as https://app.example',
    expected: 'http:// or https://, a host and perhaps a port, nothing after it',
    isList: true,
  },
  'allow-host': {
    value: 'NAME',
    fallback: '--host, localhost and IP addresses',
    meaning: 'Additional host name under which web pages may reach this hub',
    expected: 'a host name without a port',
    isList: true,
  },
  'require-tls': {
    value: null,
    fallback: 'off',
    meaning: 'Refuse connections without TLS, even from this machine (behind a local forwarder)',
  },
  'allow-plaintext': {
    value: null,
    fallback: 'off',
    meaning: 'Accept connections without TLS from other machines; clients must allow it too',
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
    meaning: 'Start with a hub.db that was copied without hub.db-wal; what was in it is lost',
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
