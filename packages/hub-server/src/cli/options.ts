/**
 * From flags and environment variables to a valid configuration of `agentmesh-hub`. Owns what is
 * valid and what goes together; the flags are `option-table`. Reads no file.
 */
import { CORE_LIMITS, coreLimits } from '@agentmesh/hub-local';
import type { CoreLimits } from '@agentmesh/hub-local';
import { visible } from '@agentmesh/protocol';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { isLoopback } from '../net/address.js';
import { expandHome } from '../private-files.js';
import { lineOf, ServerError } from '../server-error.js';
import { OPTIONS, variableOf } from './option-table.js';
import type { OptionName, OptionRule } from './option-table.js';
import { storeOf } from './store-options.js';
import type { StoreConfig } from './store-options.js';

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
  readonly requireTls: boolean;
  readonly allowedOrigins: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly metrics: 'loopback' | 'all' | 'off';
  readonly maxDiskBytes: number | null;
  readonly acceptLostLog: boolean;
  readonly limits: Partial<CoreLimits>;
  readonly logLevel: 'error' | 'warn' | 'info' | 'silent';
}

/** What the command line asks for. */
export type Command =
  | { readonly name: 'help' }
  | { readonly name: 'version' }
  | {
      readonly name: 'serve';
      readonly config: HubConfig;
      /** Variables that Kubernetes sets for a Service of our name: they are not meant for us. */
      readonly ignored: readonly string[];
    };

const LONGEST_SHOWN = 60;
const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
const flag = z.enum(['1', 'true', 'yes', '0', 'false', 'no']).optional();

const size = z
  .string()
  .regex(/^[1-9][0-9]{0,12}[KMG]?$/)
  .transform((value) => {
    const unit = /[KMG]$/.exec(value)?.[0] ?? '';
    return Number.parseInt(value, 10) * (UNITS[unit] ?? 1);
  });

/** A path; `~` is the home folder where no shell has said so. */
const path = z
  .string()
  .min(1)
  .transform((value) => expandHome(value));

/** Exactly what a browser sends as `Origin`. */
const origin = z
  .string()
  .transform((value) => (URL.canParse(value) ? new URL(value) : null))
  .refine((url) => url !== null && /^https?:$/.test(url.protocol) && isBare(url))
  .transform((url) => url?.origin ?? '');

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
  data: path.default('./agentmesh-hub-data'),
  store: z
    .string()
    .regex(/^(sqlite|sqlite:.+|(nats|tls):\/\/\S+)$/)
    .default('sqlite'),
  'hub-key-file': path.optional(),
  'nats-creds': path.optional(),
  'nats-nkey': path.optional(),
  'nats-ca': path.optional(),
  'nats-cert': path.optional(),
  'nats-key': path.optional(),
  'nats-prefix': z
    .string()
    .regex(/^[A-Za-z0-9]{1,32}$/)
    .optional(),
  'nats-replicas': count(5).optional(),
  'nats-shards': count(64).optional(),
  registration: z.enum(['open', 'token', 'allowlist']).optional(),
  'token-file': path.optional(),
  'allowlist-file': path.optional(),
  'tls-cert': path.optional(),
  'tls-key': path.optional(),
  'behind-proxy': flag,
  'allow-plaintext': flag,
  'allow-origin': z.array(origin).default([]),
  'allow-host': z.array(z.union([z.ipv4(), z.ipv6(), z.hostname()])).default([]),
  'require-tls': flag,
  'accept-lost-log': flag,
  metrics: z.enum(['loopback', 'all', 'off']).default('loopback'),
  'max-disk': size.optional(),
  limit: z.array(z.string().regex(/^[A-Za-z]+=[0-9.]+$/)).default([]),
  'log-level': z.enum(['error', 'warn', 'info', 'silent']).default('info'),
});

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Kubernetes sets `<SERVICE>_PORT=tcp://10.96.0.12:7700` and the like in each pod, so for a Service
 * that is named `agentmesh` it sets a variable of ours.
 */
const SERVICE_LINK = /^(?:tcp|udp|sctp):\/\/\S+:\d{1,5}$/;

/** Reads flags, then variables, then defaults. BAD_OPTION names the flag and what was expected. */
export function readCommand(args: readonly string[], environment: Environment): Command {
  const flags = readFlags(args);
  if (flags['help'] === true) return { name: 'help' };
  if (flags['version'] === true) return { name: 'version' };
  const ignored = Object.keys(OPTIONS)
    .map(variableOf)
    .filter((variable) => SERVICE_LINK.test(environment[variable] ?? ''));
  const own: Environment = Object.fromEntries(
    Object.entries(environment).filter(([variable]) => !ignored.includes(variable)),
  );
  const given = Object.fromEntries(
    Object.keys(OPTIONS).map((name) => [name, valueOf(name as OptionName, flags, own)]),
  );
  const result = raw.safeParse(given);
  if (!result.success) {
    const name = String(result.error.issues[0]?.path[0] ?? '');
    throw badValue(name, given[name]);
  }
  return { name: 'serve', config: configOf(result.data), ignored };
}

function readFlags(args: readonly string[]): Record<string, unknown> {
  const options: Record<
    string,
    { type: 'string' | 'boolean'; multiple?: boolean; short?: string }
  > = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } };
  for (const [name, { value, isList = false }] of Object.entries<OptionRule>(OPTIONS)) {
    options[name] = { type: value === null ? 'boolean' : 'string', multiple: isList };
  }
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    const [detail = ''] = visible(lineOf(cause)).split('. ');
    throw new ServerError('BAD_OPTION', { detail, cause });
  }
}

/** As text: a switch becomes `true`; an empty variable counts as none. */
function valueOf(name: OptionName, flags: Record<string, unknown>, env: Environment): unknown {
  const value = flags[name];
  if (value !== undefined) return value === true ? 'true' : value;
  const variable = env[variableOf(name)];
  if (variable === undefined || variable === '') return undefined;
  const rule: OptionRule = OPTIONS[name];
  return rule.isList === true ? variable.split(',') : variable;
}

/** Says what was expected and what came, except for a store: a password may be in it. */
function badValue(name: string, value: unknown): ServerError {
  const rule: OptionRule | undefined = OPTIONS[name as OptionName];
  const expected = rule?.expected ?? rule?.meaning ?? 'unknown';
  const came = name === 'store' ? '' : `, not ${shown(value)}`;
  const detail = `--${name} or ${variableOf(name)}: expected ${expected}${came}`;
  return new ServerError('BAD_OPTION', { detail });
}

function shown(value: unknown): string {
  const text = Array.isArray(value) ? value.join(',') : String(value);
  return `"${visible(text.slice(0, LONGEST_SHOWN))}"`;
}

function isBare({ pathname, search, hash, username, password }: URL): boolean {
  return pathname === '/' && `${search}${hash}${username}${password}` === '';
}

function configOf(options: z.output<typeof raw>): HubConfig {
  const { host, port, data, metrics } = options;
  const cert = options['tls-cert'];
  const key = options['tls-key'];
  if ((cert === undefined) !== (key === undefined)) {
    throw new ServerError('BAD_OPTION', { detail: '--tls-cert and --tls-key go together' });
  }
  const isLocal = host === 'localhost' || isLoopback(host);
  const behindProxy = isOn(options['behind-proxy']);
  const allowPlaintext = isOn(options['allow-plaintext']);
  const requireTls = isOn(options['require-tls']);
  if (requireTls && (allowPlaintext || behindProxy)) {
    const other = allowPlaintext ? '--allow-plaintext' : '--behind-proxy';
    throw new ServerError('BAD_OPTION', {
      detail: `--require-tls and ${other} exclude each other`,
    });
  }
  const isOpen = isLocal && !behindProxy;
  const registration = options.registration ?? (isOpen ? 'open' : 'token');
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
    behindProxy,
    allowPlaintext,
    requireTls,
    allowedOrigins: options['allow-origin'],
    allowedHosts: options['allow-host'],
    metrics,
    maxDiskBytes: options['max-disk'] ?? null,
    acceptLostLog: isOn(options['accept-lost-log']),
    limits: limitsOf(options.limit),
    logLevel: options['log-level'],
  };
}

function isOn(value: z.output<typeof flag>): boolean {
  return value === '1' || value === 'true' || value === 'yes';
}

/** Changed limits, by the names of `CORE_LIMITS`. */
function limitsOf(changed: readonly string[]): Partial<CoreLimits> {
  const limits: Record<string, number> = {};
  for (const one of changed) {
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
