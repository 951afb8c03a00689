/**
 * What the operator of a running hub may ask and do. Owns the methods and the checks of their
 * parameters; how they are called is `control-socket`, what they do is the hub's and the store's.
 */
import type { HubStore, StoredBundle } from '@agentmesh/hub-local';
import { addressOf, hubIdOf, parsePeer, toBase64Url, visible } from '@agentmesh/protocol';
import { isAbsolute } from 'node:path';
import * as z from 'zod';
import { ServerError } from '../server-error.js';
import { VERSION } from '../version.js';
import type { BannedAgents } from './banned.js';
import type { StoreOperations } from './store-operations.js';

/** The hub as its operator sees it. */
export interface OperatedHub {
  readonly hubKey: Uint8Array;
  readonly port: number;
  readonly connections: number;
  isConnected(aid: Uint8Array): boolean;
  disconnect(aid: Uint8Array, code: 'BLOCKED' | 'SHUTTING_DOWN'): boolean;
  purge(aid: Uint8Array): Promise<number>;
}

/** What the methods work on. */
export interface HubControlParts {
  readonly hub: OperatedHub;
  readonly store: HubStore & { readonly operations: StoreOperations };
  readonly banned: BannedAgents;
  /** Makes one more registration token; null where none is asked for. */
  readonly newToken: (() => { readonly token: string; readonly file: string }) | null;
  readonly clock: () => number;
  /** Lets the rest of the hub work between two portions. */
  readonly rest: () => Promise<void>;
}

/** A method by its name: checks what it is given, and gives a JSON value. */
export type ControlMethod = (params: unknown) => Promise<object>;

const MOST = 1_000;
const PORTION = 100;
const MOST_PARTS = 20;

/** Version of these methods; an operator's command must have the same. */
const PROTOCOL = 1;

const greeting = z.strictObject({
  protocol: z.int(),
  version: z.string().max(64),
  client: z.string().max(64),
});
const none = z.strictObject({});
const one = z.strictObject({ agent: z.string().min(1).max(200) });
const named = z.strictObject({ name: z.string().min(1).max(200) });
const page = z.strictObject({
  prefix: z.string().max(64).default(''),
  after: z.string().max(64).default(''),
  max: z.int().min(1).max(MOST).default(MOST),
});
const some = z.strictObject({ max: z.int().min(1).max(MOST).default(20) });
const target = z.strictObject({
  file: z
    .string()
    .max(4_096)
    .refine((path) => isAbsolute(path), 'must be an absolute path'),
});

/** All methods of a hub, by name. */
export function hubMethods(parts: HubControlParts): ReadonlyMap<string, ControlMethod> {
  const control = new HubControl(parts);
  return new Map<string, ControlMethod>([
    method('hello', greeting, (theirs) => Promise.resolve(hello(theirs))),
    method('status', none, () => control.status()),
    method('agents', page, (query) => control.agents(query)),
    method('queues', some, ({ max }) => control.queues(max)),
    method('show', one, ({ agent }) => control.show(agent)),
    method('kick', one, ({ agent }) => control.kick(agent)),
    method('banned', none, () => Promise.resolve({ banned: parts.banned.list })),
    method('ban', one, ({ agent }) => control.ban(agent)),
    method('unban', one, ({ agent }) => control.unban(agent)),
    method('free', named, ({ name }) => control.free(name)),
    method('purge', one, ({ agent }) => control.purge(agent)),
    method('newToken', none, () => Promise.resolve(control.newToken())),
    method('backup', target, ({ file }) => control.backup(file)),
  ]);
}

function method<T>(
  name: string,
  shape: z.ZodType<T>,
  run: (params: T) => Promise<object>,
): [string, ControlMethod] {
  const call: ControlMethod = async (params) => {
    const checked = shape.safeParse(params);
    if (!checked.success) {
      const [issue] = checked.error.issues;
      const where = issue?.path.join('.') ?? '';
      throw new ServerError('BAD_PARAMS', { detail: `${name} ${where}: ${issue?.message ?? ''}` });
    }
    return run(checked.data);
  };
  return [name, call];
}

/** The first words of a connection: both sides say their versions. */
function hello(theirs: z.output<typeof greeting>): object {
  if (theirs.protocol !== PROTOCOL) {
    const detail = `the hub is of version ${VERSION}, the command of ${visible(theirs.version)}`;
    throw new ServerError('CONTROL_VERSION', { detail });
  }
  return { protocol: PROTOCOL, version: VERSION, pid: process.pid, name: 'hub' };
}

/** Whom a name or an address stands for. */
interface Subject {
  readonly aid: Uint8Array;
  /** As it is called in what is said about it. */
  readonly shown: string;
}

class HubControl {
  readonly #parts: HubControlParts;

  constructor(parts: HubControlParts) {
    this.#parts = parts;
  }

  async status(): Promise<object> {
    const { hub, store, banned } = this.#parts;
    const { agents, envelopes, bytes, deadLettered } = await store.counts();
    return {
      version: VERSION,
      port: hub.port,
      hubKey: toBase64Url(hub.hubKey),
      hubId: toBase64Url(hubIdOf(hub.hubKey)),
      connections: hub.connections,
      agents,
      queued: envelopes,
      queuedBytes: bytes,
      deadLettered,
      full: store.isFull === true,
      banned: banned.list.length,
    };
  }

  async agents(query: { prefix: string; after: string; max: number }): Promise<object> {
    const { store, rest } = this.#parts;
    const names = await store.operations.registered(query);
    const agents: object[] = [];
    for (const { name, listed } of names) {
      const aid = await store.aidOfName(name);
      if (aid !== null) agents.push({ name, listed, ...(await this.#summary(aid)) });
      if (agents.length % PORTION === 0) await rest();
    }
    return { agents, next: names.length < query.max ? null : (names.at(-1)?.name ?? null) };
  }

  async queues(max: number): Promise<object> {
    const { store, hub } = this.#parts;
    const { envelopes, bytes } = await store.counts();
    const longest = await store.operations.longestQueues(max);
    const queues = longest.map(({ recipient, name, messages, bytes: size }) => ({
      name,
      address: addressOf(recipient),
      connected: hub.isConnected(recipient),
      messages,
      bytes: size,
    }));
    return { queues, messages: envelopes, bytes };
  }

  async show(agent: string): Promise<object> {
    const { store, clock, hub, banned } = this.#parts;
    const { aid } = await this.#subject(agent);
    const { operations } = store;
    const nowMs = clock();
    const [known, bundle, keys, parts, first] = await Promise.all([
      operations.agent(aid),
      store.takeBundle({ aid, oneTime: false, nowMs }),
      store.keys(aid),
      operations.queueParts(aid, MOST_PARTS),
      store.read({ recipient: aid, after: 0, messages: 1, bytes: 1, nowMs }),
    ]);
    const [oldest] = first.entries;
    return {
      name: known?.name ?? null,
      address: addressOf(aid),
      state: stateOf(known, bundle),
      connected: hub.isConnected(aid),
      banned: banned.has(aid),
      seenMs: known?.seenMs ?? null,
      retiredMs: known?.retiredMs ?? null,
      published: bundle !== null,
      signedPrekey: keys.newestSigned !== null,
      oneTimePrekeys: keys.oneTimeIds.length,
      queued: await store.queued(aid),
      oldestMs: oldest?.due === true ? oldest.tsMs : null,
      senders: parts.map(({ sender, ...part }) => ({ address: addressOf(sender), ...part })),
    };
  }

  async kick(agent: string): Promise<object> {
    const { aid, shown } = await this.#subject(agent);
    const kicked = this.#parts.hub.disconnect(aid, 'SHUTTING_DOWN');
    if (!kicked) throw new ServerError('NOT_CONNECTED', { detail: shown });
    return { address: addressOf(aid), kicked };
  }

  async ban(agent: string): Promise<object> {
    const { aid, shown } = await this.#subject(agent);
    const { banned, hub, clock } = this.#parts;
    const time = new Date(clock()).toISOString();
    const added = banned.add(aid, shown === addressOf(aid) ? time : `${shown}, ${time}`);
    const disconnected = hub.disconnect(aid, 'BLOCKED');
    return { address: addressOf(aid), added, disconnected };
  }

  async unban(agent: string): Promise<object> {
    const { aid, shown } = await this.#subject(agent);
    if (!this.#parts.banned.remove(aid)) throw new ServerError('NOT_BANNED', { detail: shown });
    return { address: addressOf(aid) };
  }

  /** An agent that is connected, or comes back, would take the name again at once. */
  async free(name: string): Promise<object> {
    const { store, hub, banned } = this.#parts;
    const { operations } = store;
    if (operations.freeName === undefined) throw new ServerError('NOT_IN_NATS', { detail: 'free' });
    const { aid } = await this.#subject(name);
    if (hub.isConnected(aid) && !banned.has(aid)) {
      throw new ServerError('STILL_CONNECTED', { detail: `ban ${visible(name)}` });
    }
    const freed = await operations.freeName(name);
    if (freed === null) throw new ServerError('NO_SUCH_AGENT', { detail: visible(name) });
    return { address: addressOf(freed), purged: await hub.purge(freed) };
  }

  async purge(agent: string): Promise<object> {
    const { aid } = await this.#subject(agent);
    return { address: addressOf(aid), purged: await this.#parts.hub.purge(aid) };
  }

  newToken(): object {
    const { newToken } = this.#parts;
    if (newToken === null) throw new ServerError('NO_TOKENS');
    return newToken();
  }

  async backup(file: string): Promise<object> {
    const { operations } = this.#parts.store;
    if (operations.backup === undefined) throw new ServerError('NOT_IN_NATS', { detail: 'backup' });
    return { file, bytes: await operations.backup(file) };
  }

  async #summary(aid: Uint8Array): Promise<object> {
    const { store, hub, banned } = this.#parts;
    return {
      address: addressOf(aid),
      connected: hub.isConnected(aid),
      banned: banned.has(aid),
      queued: await store.queued(aid),
    };
  }

  async #subject(agent: string): Promise<Subject> {
    const peer = parsePeer(agent);
    const shown = visible(agent);
    if (peer === null) throw new ServerError('NO_SUCH_AGENT', { detail: shown });
    if (peer.kind === 'address') return { aid: peer.aid, shown };
    const aid = await this.#parts.store.aidOfName(peer.name);
    if (aid === null) throw new ServerError('NO_SUCH_AGENT', { detail: shown });
    return { aid, shown };
  }
}

function stateOf(
  known: { readonly retiredMs: number | null; readonly revoked: boolean } | null,
  bundle: StoredBundle | null,
): 'unknown' | 'revoked' | 'succeeded' | 'registered' {
  if (known?.revoked === true || (bundle !== null && bundle.revocation !== null)) return 'revoked';
  if (known === null) return 'unknown';
  return known.retiredMs === null ? 'registered' : 'succeeded';
}
