/**
 * The options of `Agent.create`, checked once at the door: unknown names and wrong values are
 * refused with a sentence that says what to write. Owns the defaults.
 */
import { isSchema } from '@agentmesh/contract';
import type { Schema } from '@agentmesh/contract';
import { AgentKeyPair, isAgentName } from '@agentmesh/crypto';
import { isRegistrableName } from '@agentmesh/protocol';
import type { Hub } from '@agentmesh/protocol';
import { durationMs } from '../ground/duration.js';
import { AgentError } from '../ground/errors.js';
import { systemLogger, systemRuntime } from '../ground/runtime.js';
import { waitingClock } from '../ground/waiting-clock.js';
import type { Logger, Runtime } from '../ground/runtime.js';
import type { SendOptions } from '../message/message.js';
import type { AgentStore } from '../store/store.js';
import { parseAllowed, parseOption } from '../conversation/trust.js';
import type { AcceptFrom, TrustPolicy } from '../conversation/trust.js';

/** How much is logged; each level includes those after it. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** All optional: `Agent.create('alice', { hub })` is an agent. */
export interface AgentOptions {
  /** The hub to connect to. Without one, use `seal` and `open` to carry messages yourself. */
  readonly hub?: Hub | undefined;
  /** Registration token, if the hub asks for one. */
  readonly token?: string | undefined;
  /** File of the identity: created on the first run, loaded later. Needs Node. */
  readonly keypairPath?: string | undefined;
  /**
   * Accepts a key file that its group may read (mode 0640), if that is a group of this process, as
   * secrets are mounted into containers. Default: false.
   */
  readonly groupReadable?: boolean | undefined;
  /** File of the store, where the folder of `keypairPath` is not to be written. Needs Node. */
  readonly storePath?: string | undefined;
  /** Encrypts that file. Without one it is stored in plain form, readable by its owner only. */
  readonly passphrase?: string | undefined;
  /** Identity in memory instead of a file. Default: a new identity. */
  readonly keyPair?: AgentKeyPair | undefined;
  /**
   * Keeps sessions, pins, inbox and outbox. Default: with `keypairPath` an encrypted file next to
   * it, which survives a restart; otherwise a new `MemoryStore`.
   */
  readonly store?: AgentStore | undefined;
  /**
   * `tofu` (default): a name's first identity is pinned. `strict`: only identities given by
   * fingerprint, address or `allowList` are spoken to or heard.
   */
  readonly trust?: 'tofu' | 'strict' | undefined;
  /** Identities that are known beforehand: `bob#<fingerprint>` or `am2…`. */
  readonly allowList?: readonly string[] | undefined;
  /**
   * The same in a file, one per line; empty lines and lines that begin with `#` are skipped. Only
   * the file's owner may have write permission. Needs Node.
   */
  readonly allowListPath?: string | undefined;
  /**
   * Whose messages reach the handlers: `anyone` (default), `known` peers only, the listed peers, or
   * `ask`: a stranger's messages wait until `contacts.accept` or `contacts.deny`.
   */
  readonly acceptFrom?: 'anyone' | 'ask' | 'known' | readonly string[] | undefined;
  /**
   * What plain messages must fit: any Standard Schema, such as one of zod. Others are refused
   * before the handlers see them, and their senders learn where they do not fit. Default: anything.
   */
  readonly accepts?: Schema | undefined;
  /**
   * What happens where this agent and a peer send each other 20 automatic messages within a minute,
   * without a person or a request in between. `hold` (default): further ones wait until somebody
   * calls `releaseLoop`, or a person writes. `tell`: only `loopSuspected` is told.
   */
  readonly onLoop?: 'hold' | 'tell' | undefined;
  /** Begin a session only with a one-time prekey of the peer. Default: false. */
  readonly requireOneTimePrekey?: boolean | undefined;
  /** How much is logged. Default: `warn`. */
  readonly logLevel?: LogLevel | undefined;
  /** Where the agent logs. Default: the console. */
  readonly logger?: Logger | undefined;
  /** Clock, randomness and timers. Default: the machine's. */
  readonly runtime?: Partial<Runtime> | undefined;
}

/** Options after the check. */
export interface CheckedOptions {
  readonly hub: Hub | null;
  readonly token: string | undefined;
  readonly keypairPath: string | null;
  readonly groupReadable: boolean;
  readonly storePath: string | null;
  readonly passphrase: string | undefined;
  readonly keyPair: AgentKeyPair | null;
  readonly store: AgentStore | null;
  readonly policy: TrustPolicy;
  readonly allowListPath: string | null;
  readonly accepts: Schema | null;
  readonly onLoop: 'hold' | 'tell';
  readonly requireOneTimePrekey: boolean;
  readonly log: Logger;
  readonly runtime: Runtime;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];

/** What each option must be; one that is left out or undefined is always fine. */
const CHECKS: {
  readonly [Name in keyof AgentOptions]-?: readonly [(v: unknown) => boolean, string];
} = {
  hub: [hasMethods('connect'), 'a hub, such as new LocalHub()'],
  token: [isToken, '1 to 512 visible ASCII characters without spaces, as the hub has it'],
  keypairPath: [isText, 'a path'],
  groupReadable: [(value) => typeof value === 'boolean', 'true or false'],
  storePath: [isText, 'a path'],
  passphrase: [isText, 'a text that is not empty'],
  keyPair: [(value) => value instanceof AgentKeyPair, 'an AgentKeyPair'],
  store: [hasMethods('open', 'get', 'range', 'commit', 'close'), 'an AgentStore'],
  trust: [isOneOf('tofu', 'strict'), "'tofu' or 'strict'"],
  allowList: [Array.isArray, 'a list of bob#<fingerprint> or am2…'],
  allowListPath: [isText, 'a path'],
  acceptFrom: [
    (value) => isOneOf('anyone', 'ask', 'known')(value) || Array.isArray(value),
    "'anyone', 'ask', 'known' or a list of peers",
  ],
  accepts: [isSchema, 'a Standard Schema, such as z.object({ … })'],
  onLoop: [isOneOf('hold', 'tell'), "'hold' or 'tell'"],
  requireOneTimePrekey: [(value) => typeof value === 'boolean', 'true or false'],
  logLevel: [isOneOf(...LEVELS), LEVELS.join(', ')],
  logger: [hasMethods('debug', 'info', 'warn', 'error'), 'a logger, such as console'],
  runtime: [(value) => typeof value === 'object' && value !== null, 'an object'],
};

/** Checks a name; throws BAD_OPTION. */
export function checkName(name: unknown): string {
  if (isAgentName(name) && isRegistrableName(name)) return name;
  const rule = '1 to 64 characters of a-z 0-9 . _ - beginning with a letter or digit';
  throw new AgentError('BAD_OPTION', `name: ${rule}, and not an am2… address`);
}

/** Checks all options; throws BAD_OPTION. */
export function checkOptions(options: AgentOptions): CheckedOptions {
  assertShape(options);
  const { trust = 'tofu', allowList = [], acceptFrom = 'anyone', logLevel = 'warn' } = options;
  const { keypairPath, keyPair, passphrase, storePath } = options;
  if (keypairPath !== undefined && keyPair !== undefined) {
    throw new AgentError('BAD_OPTION', 'keypairPath and keyPair: give one of them');
  }
  if (passphrase !== undefined && keypairPath === undefined) {
    throw new AgentError('BAD_OPTION', 'passphrase protects a key file: give keypairPath too');
  }
  if (storePath !== undefined && (keypairPath === undefined || options.store !== undefined)) {
    throw new AgentError('BAD_OPTION', 'storePath: give it with keypairPath and without store');
  }
  const allowed = allowList.map(parseAllowed);
  const policy = { mode: trust, allowed, acceptFrom: checkAcceptFrom(acceptFrom) };
  return {
    hub: options.hub ?? null,
    token: options.token,
    keypairPath: keypairPath ?? null,
    groupReadable: options.groupReadable ?? false,
    storePath: storePath ?? null,
    passphrase,
    keyPair: keyPair ?? null,
    store: options.store ?? null,
    policy,
    allowListPath: options.allowListPath ?? null,
    accepts: options.accepts ?? null,
    onLoop: options.onLoop ?? 'hold',
    requireOneTimePrekey: options.requireOneTimePrekey ?? false,
    log: atLevel(options.logger ?? systemLogger, logLevel),
    runtime: runtimeOf(options.runtime),
  };
}

/** The machine's, where nothing else is given; two clocks of different sources are never mixed. */
function runtimeOf(given: Partial<Runtime> = {}): Runtime {
  const { now, steady = now === undefined ? systemRuntime.steady : waitingClock(now) } = given;
  return { ...systemRuntime, ...given, steady };
}

const SEND_OPTIONS: readonly string[] = [
  'waitForPeer',
  'ttl',
  'signal',
  'timeout',
  'auto',
  'onStored',
];
const CALL_OPTIONS: readonly string[] = [
  'timeout',
  'waitForPeer',
  'signal',
  'key',
  'onProgress',
  'auto',
  'op',
];

/** Checks how a message is to be sent; throws BAD_OPTION. */
export function checkSendOptions(options: SendOptions = {}): SendOptions {
  assertNames(options, SEND_OPTIONS, 'send');
  if (options.timeout !== undefined) durationMs(options.timeout, 'timeout');
  if (options.onStored !== undefined && typeof options.onStored !== 'function') {
    throw new AgentError('BAD_OPTION', 'onStored: a function');
  }
  return options;
}

/** Checks the names of the options of a request, and those of `send`; throws BAD_OPTION. */
export function assertCallOptions(options: Pick<SendOptions, 'auto' | 'waitForPeer'>): void {
  assertNames(options, CALL_OPTIONS, 'requests');
}

function assertNames(
  options: { readonly auto?: unknown; readonly waitForPeer?: unknown },
  known: readonly string[],
  of: string,
): void {
  if (typeof options !== 'object' || options === null) {
    throw new AgentError('BAD_OPTION', "options: an object, such as { timeout: '1m' }");
  }
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const names = known.join(', ');
    throw new AgentError('BAD_OPTION', `${unknown} is not an option of ${of}; there are ${names}`);
  }
  const { auto, waitForPeer = 0 } = options;
  if (typeof waitForPeer !== 'number' || !(waitForPeer >= 0)) {
    // Unlike other times it may be 0, or without end.
    durationMs(waitForPeer, 'waitForPeer');
  }
  if (auto !== undefined && typeof auto !== 'boolean') {
    throw new AgentError('BAD_OPTION', 'auto: true or false');
  }
}

function assertShape(options: unknown): void {
  if (typeof options !== 'object' || options === null) {
    throw new AgentError('BAD_OPTION', 'options: an object');
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(CHECKS, name)) {
      const known = Object.keys(CHECKS).join(', ');
      throw new AgentError('BAD_OPTION', `${name} is not an option; there are ${known}`);
    }
    const [isGood, what] = CHECKS[name as keyof AgentOptions];
    if (value !== undefined && !isGood(value))
      throw new AgentError('BAD_OPTION', `${name}: ${what}`);
  }
}

function checkAcceptFrom(value: 'anyone' | 'ask' | 'known' | readonly string[]): AcceptFrom {
  if (typeof value === 'string') return value;
  return value.map((entry) => parseOption(entry, 'acceptFrom'));
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

/** What a frame can carry; which tokens are right, only the hub knows. */
function isToken(value: unknown): boolean {
  return typeof value === 'string' && /^[\x21-\x7e]{1,512}$/.test(value);
}

function isOneOf(...values: readonly string[]): (value: unknown) => boolean {
  return (value) => typeof value === 'string' && values.includes(value);
}

function hasMethods(...names: readonly string[]): (value: unknown) => boolean {
  return (value) =>
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function');
}

/** A logger that leaves out what lies below the level. */
function atLevel(logger: Logger, level: LogLevel): Logger {
  const lowest = LEVELS.indexOf(level);
  const isOn = (name: LogLevel): boolean => LEVELS.indexOf(name) >= lowest;
  return {
    debug: (message, fields) => void (isOn('debug') && logger.debug(message, fields)),
    info: (message, fields) => void (isOn('info') && logger.info(message, fields)),
    warn: (message, fields) => void (isOn('warn') && logger.warn(message, fields)),
    error: (message, fields) => void (isOn('error') && logger.error(message, fields)),
  };
}
