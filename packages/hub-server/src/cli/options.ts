/**
 * The options of `agentmesh-hub`: one table of flags, variables, defaults and meanings, from which
 * parsing, `--help` and the table in docs/self-hosting.md come. Owns what is valid; reads no file.
 */
import { CORE_LIMITS, coreLimits } from '@agentmesh/hub-local';
import type { CoreLimits } from '@agentmesh/hub-local';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { isLoopback } from '../net/front-door.js';
import { lineOf, ServerError } from '../server-error.js';
import { storeOf } from './store-options.js';
import type { StoreConfig } from './store-options.js';

/** One flag. `value` is null for a switch. */
export interface OptionRule {
  readonly value: string | null;
  readonly fallback: string;
  readonly meaning: string;
}

/** Every flag, in the order of `--help`. Its variable is AGENTMESH_ and the name in capitals. */
export const OPTIONS = {
  host: { value: 'ADDRESS', fallback: '127.0.0.1', meaning: 'Address to listen on' },
  port: { value: 'PORT', fallback: '7700', meaning: 'Port to listen on; 0 for any free one' },
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
  },
  'nats-replicas': {
    value: 'NUMBER',
    fallback: '3 where NATS is a cluster, else 1',
    meaning: 'Copies of each stream, 1 to 5; counts for the hub that makes the store',
  },
  'nats-shards': {
    value: 'NUMBER',
    fallback: '4',
    meaning: 'Streams for queues, 1 to 64; counts for the hub that makes the store',
  },
  registration: {
    value: 'MODE',
    fallback: 'open on loopback, else token',
    meaning: 'Who may register a new name: open, token or allowlist',
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
  'allow-plaintext': {
    value: null,
    fallback: 'off',
    meaning: 'Take unencrypted connections from other machines; clients must be told too',
  },
  metrics: {
    value: 'WHO',
    fallback: 'loopback',
    meaning: 'Who may read /metrics: loopback, all or off',
  },
  'max-disk': {
    value: 'SIZE',
    fallback: 'the file system',
    meaning: 'Quota of the database, such as 500M or 20G; sending stops at 90 % of it',
  },
  limit: {
    value: 'NAME=NUMBER',
    fallback: 'see docs/self-hosting.md',
    meaning: 'Lower a limit; may be repeated (in the variable: separated by commas)',
  },
  'log-level': {
    value: 'LEVEL',
    fallback: 'info',
    meaning: 'error, warn, info or silent',
  },
} as const satisfies Readonly<Record<string, OptionRule>>;

type OptionName = keyof typeof OPTIONS;

/** A valid configuration. */
export interface HubConfig {
  readonly host: string;
  readonly port: number;
  readonly data: string;
  readonly store: StoreConfig;
  readonly registration: 'open' | 'token' | 'allowlist';
  readonly tokenFile: string | null;
  readonly allowlistFile: string | null;
  readonly tls: { readonly cert: string; readonly key: string } | null;
  readonly behindProxy: boolean;
  readonly allowPlaintext: boolean;
  readonly metrics: 'loopback' | 'all' | 'off';
  readonly maxDiskBytes: number | null;
  readonly limits: Partial<CoreLimits>;
  readonly logLevel: 'error' | 'warn' | 'info' | 'silent';
}

/** What the command line asks for. */
export type Command =
  | { readonly name: 'help' }
  | { readonly name: 'version' }
  | { readonly name: 'serve'; readonly config: HubConfig };

/** Name of an option's environment variable. */
export function variableOf(name: string): string {
  return `AGENTMESH_${name.toUpperCase().replaceAll('-', '_')}`;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
const text = z.string().min(1).optional();
const flag = z.enum(['1', 'true', 'yes', '0', 'false', 'no']).optional();

const size = z
  .string()
  .regex(/^[1-9][0-9]{0,12}[KMG]?$/)
  .transform((value) => {
    const unit = /[KMG]$/.exec(value)?.[0] ?? '';
    return Number.parseInt(value, 10) * (UNITS[unit] ?? 1);
  });

/** A whole number from 1 on. */
const count = (max: number) =>
  z
    .string()
    .regex(/^[1-9][0-9]?$/)
    .transform(Number)
    .refine((value) => value <= max);

const raw = z.object({
  host: z.union([z.ipv4(), z.ipv6(), z.hostname()]).default('127.0.0.1'),
  port: z
    .string()
    .regex(/^[0-9]{1,5}$/)
    .transform(Number)
    .refine((port) => port <= 65_535)
    .default(7_700),
  data: z.string().min(1).default('./agentmesh-hub-data'),
  store: z
    .string()
    .regex(/^(sqlite|sqlite:.+|(nats|tls):\/\/\S+)$/)
    .default('sqlite'),
  'hub-key-file': text,
  'nats-creds': text,
  'nats-nkey': text,
  'nats-ca': text,
  'nats-cert': text,
  'nats-key': text,
  'nats-prefix': z
    .string()
    .regex(/^[A-Za-z0-9]{1,32}$/)
    .optional(),
  'nats-replicas': count(5).optional(),
  'nats-shards': count(64).optional(),
  registration: z.enum(['open', 'token', 'allowlist']).optional(),
  'token-file': text,
  'allowlist-file': text,
  'tls-cert': text,
  'tls-key': text,
  'behind-proxy': flag,
  'allow-plaintext': flag,
  metrics: z.enum(['loopback', 'all', 'off']).default('loopback'),
  'max-disk': size.optional(),
  limit: z.array(z.string().regex(/^[A-Za-z]+=[0-9.]+$/)).default([]),
  'log-level': z.enum(['error', 'warn', 'info', 'silent']).default('info'),
});

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads flags, then variables, then defaults. BAD_OPTION names the flag and what was expected. */
export function readCommand(args: readonly string[], environment: Environment): Command {
  const flags = readFlags(args);
  if (flags['help'] === true) return { name: 'help' };
  if (flags['version'] === true) return { name: 'version' };
  const given = Object.fromEntries(
    Object.keys(OPTIONS).map((name) => [name, valueOf(name as OptionName, flags, environment)]),
  );
  const result = raw.safeParse(given);
  if (!result.success) throw badValue(String(result.error.issues[0]?.path[0] ?? ''));
  return { name: 'serve', config: configOf(result.data) };
}

function readFlags(args: readonly string[]): Record<string, unknown> {
  const options: Record<
    string,
    { type: 'string' | 'boolean'; multiple?: boolean; short?: string }
  > = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } };
  for (const [name, { value }] of Object.entries<OptionRule>(OPTIONS)) {
    options[name] = { type: value === null ? 'boolean' : 'string', multiple: name === 'limit' };
  }
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    const [detail = ''] = lineOf(cause).split('. ');
    throw new ServerError('BAD_OPTION', { detail, cause });
  }
}

/** As text: a switch becomes `true`; an empty variable counts as none. */
function valueOf(name: OptionName, flags: Record<string, unknown>, env: Environment): unknown {
  const value = flags[name];
  if (value !== undefined) return value === true ? 'true' : value;
  const variable = env[variableOf(name)];
  if (variable === undefined || variable === '') return undefined;
  return name === 'limit' ? variable.split(',') : variable;
}

function badValue(name: string): ServerError {
  const rule: OptionRule | undefined = OPTIONS[name as OptionName];
  const detail = `--${name} or ${variableOf(name)}: ${rule?.meaning ?? 'unknown'}`;
  return new ServerError('BAD_OPTION', { detail });
}

function configOf(options: z.output<typeof raw>): HubConfig {
  const { host, port, data, metrics } = options;
  const cert = options['tls-cert'];
  const key = options['tls-key'];
  if ((cert === undefined) !== (key === undefined)) {
    throw new ServerError('BAD_OPTION', { detail: '--tls-cert and --tls-key go together' });
  }
  const isLocal = host === 'localhost' || isLoopback(host);
  const registration = options.registration ?? (isLocal ? 'open' : 'token');
  const allowlistFile = options['allowlist-file'] ?? null;
  if (registration === 'allowlist' && allowlistFile === null) {
    throw new ServerError('BAD_OPTION', { detail: '--registration allowlist: --allowlist-file?' });
  }
  return {
    host,
    port,
    data,
    store: storeOf(options),
    registration,
    tokenFile: options['token-file'] ?? null,
    allowlistFile,
    tls: cert === undefined || key === undefined ? null : { cert, key },
    behindProxy: isOn(options['behind-proxy']),
    allowPlaintext: isOn(options['allow-plaintext']),
    metrics,
    maxDiskBytes: options['max-disk'] ?? null,
    limits: limitsOf(options.limit),
    logLevel: options['log-level'],
  };
}

function isOn(value: z.output<typeof flag>): boolean {
  return value === '1' || value === 'true' || value === 'yes';
}

/** Lowered limits, by the names of `CORE_LIMITS`. */
function limitsOf(lowered: readonly string[]): Partial<CoreLimits> {
  const limits: Record<string, number> = {};
  for (const one of lowered) {
    const [name = '', number = ''] = one.split('=');
    if (!Object.hasOwn(CORE_LIMITS, name)) {
      const known = Object.keys(CORE_LIMITS).join(', ');
      throw new ServerError('BAD_OPTION', { detail: `--limit ${name}: one of ${known}` });
    }
    limits[name] = Number(number);
  }
  try {
    coreLimits(limits);
    return limits;
  } catch (cause) {
    throw new ServerError('BAD_OPTION', { detail: lineOf(cause), cause });
  }
}
