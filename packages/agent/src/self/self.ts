/**
 * Who one agent is: its present keys, the next ones, the identities that it had, and the opening of
 * its store. Owns these and their changes in memory; each is committed before it is made here.
 */
import { equalBytes } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import type { Runtime } from '../ground/runtime.js';
import { ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { AgentStore, StoreOperation } from '../store/store.js';
import type { Author } from './author.js';
import { decodeFormer, receives } from './former-identity.js';
import type { FormerIdentity } from './former-identity.js';
import { decodeLostTime, LOST_TIME_TOLERANCE_MS } from './lost-time.js';
import { cutBootIn, decodeMeta, encodeClosedMeta, encodeMeta, openedMeta } from './meta.js';
import type { Meta } from './meta.js';
import { decodeOpenings, encodeOpenings, withOpening } from './openings.js';
import { presentIdentity } from './present-identity.js';
import type { PresentIdentity } from './present-identity.js';
import { commitAnswer, nextPrekeyIn } from './rollback.js';
import type { HubAnswer, Voiding, WentBack } from './rollback.js';

/** What is found when an agent starts. */
export interface SelfParts {
  readonly name: string;
  readonly keyPair: AgentKeyPair;
  /** Keys that were prepared to follow these, by a run that did not get further. */
  readonly prepared: AgentKeyPair | null;
  readonly runtime: Runtime;
  readonly hasHub: boolean;
}

/** One agent, in one opening of its store. */
export class Self {
  readonly #store: AgentStore;
  readonly #runtime: Runtime;
  #keyPair: AgentKeyPair;
  #next: AgentKeyPair | null;
  /** Latest first. */
  #formers: readonly FormerIdentity[];
  #meta: Meta;
  #lostUntilMs: number;
  /** The opening before this one, if it was cut off. */
  readonly cutBoot: number | null;

  private constructor(
    { store, runtime }: { readonly store: AgentStore; readonly runtime: Runtime },
    { keyPair, next }: PresentIdentity,
    found: {
      readonly cutBoot: number | null;
      readonly meta: Meta;
      readonly formers: readonly FormerIdentity[];
      readonly lostUntilMs: number;
    },
  ) {
    this.#store = store;
    this.#runtime = runtime;
    this.#keyPair = keyPair;
    this.#next = next;
    this.#meta = found.meta;
    this.#formers = found.formers;
    this.#lostUntilMs = found.lostUntilMs;
    this.cutBoot = found.cutBoot;
  }

  /** Counts this opening of the store before anything else happens (P6). Throws STORE_MISMATCH. */
  static async open(store: AgentStore, parts: SelfParts): Promise<Self> {
    const { name, keyPair: given, prepared, runtime, hasHub } = parts;
    const row = await store.get(ROW.meta);
    const identity = presentIdentity({
      meta: row === null ? null : decodeMeta(row),
      begun: await store.get(ROW.rotation),
      given,
      prepared,
    });
    const owner = { aid: identity.keyPair.identity.aid, name };
    const { random } = runtime;
    const meta = openedMeta(row, owner, { random, hasHub, nextPrekey: await nextPrekeyIn(store) });
    const before = row === null ? meta : decodeMeta(row);
    const known = decodeOpenings(await store.get(ROW.openings), before.instance);
    const openings = withOpening(known, meta);
    await store.commit([
      { put: ROW.meta, value: encodeMeta(meta) },
      { put: ROW.openings, value: encodeOpenings(openings) },
    ]);
    const formers = await formersIn(store);
    const lostUntilMs = decodeLostTime(await store.get(ROW.lostTime));
    const cutBoot = cutBootIn(row);
    return new Self({ store, runtime }, identity, { meta, formers, lostUntilMs, cutBoot });
  }

  get meta(): Meta {
    return this.#meta;
  }

  get keyPair(): AgentKeyPair {
    return this.#keyPair;
  }

  /** The identity that is to follow this one: its change was begun by an earlier run. */
  get next(): AgentKeyPair | null {
    return this.#next;
  }

  /** Identities that this one has followed, the latest first. */
  get formers(): readonly FormerIdentity[] {
    return this.#formers;
  }

  get aid(): Uint8Array {
    return this.#keyPair.identity.aid;
  }

  /** Whether an identity is ours: the present one, or one that it has followed. */
  isOurs(aid: Uint8Array): boolean {
    const ours = [this.#keyPair, ...this.#formers.map(({ keyPair }) => keyPair)];
    return ours.some(({ identity }) => equalBytes(identity.aid, aid));
  }

  /** Whose words we write, now. */
  author(): Author {
    const { now, random } = this.#runtime;
    return { keyPair: this.#keyPair, isFormer: false, meta: this.#meta, nowMs: now(), random };
  }

  /** The identity of ours to which something is addressed; null if it is none that receives. */
  authorFor(aid: Uint8Array): Author | null {
    const author = this.author();
    if (equalBytes(aid, this.aid)) return author;
    const former = this.#formers.find(({ keyPair }) => equalBytes(keyPair.identity.aid, aid));
    if (former === undefined || !receives(former, author.nowMs)) return null;
    const { keyPair, epoch, numbersSince, since } = former;
    const meta = { ...this.#meta, aid, epoch, numbersSince, since };
    return { ...author, keyPair, isFormer: true, meta };
  }

  /** The hub has taken this opening: what its answer shows to have gone back in time. */
  async answered(answer: HubAnswer, voiding: Voiding): Promise<WentBack> {
    const before = this.#meta;
    const { random, now } = this.#runtime;
    const seen = { before, random, nowMs: now(), voiding };
    const { meta, wentBack, lostUntilMs } = await commitAnswer(this.#store, answer, seen);
    this.#meta = meta;
    this.#lostUntilMs = lostUntilMs ?? this.#lostUntilMs;
    return wentBack;
  }

  /** Handlers may have had what was sent until then in a time that this store has lost. */
  get lostUntilMs(): number {
    return this.#lostUntilMs + LOST_TIME_TOLERANCE_MS;
  }

  /**
   * What marks that nothing was done after it: a copy of the store without this mark may be one of
   * a store that went on.
   */
  closing(): readonly StoreOperation[] {
    return [{ put: ROW.meta, value: encodeClosedMeta(this.#meta) }];
  }

  /** Another identity has taken our place: committed before anything is said as it. */
  become(keyPair: AgentKeyPair, meta: Meta, former: FormerIdentity): void {
    this.#keyPair = keyPair;
    this.#next = null;
    this.#meta = meta;
    this.#formers = [former, ...this.#formers];
  }

  /** Forgets a former identity, or keeps it as it is now. */
  replaceFormer(former: FormerIdentity, by: FormerIdentity | null): void {
    this.#formers = this.#formers.flatMap((other) => (other === former ? (by ?? []) : other));
  }
}

async function formersIn(store: AgentStore): Promise<readonly FormerIdentity[]> {
  const found: FormerIdentity[] = [];
  for await (const { value } of rowsUnder(store, 'former')) found.push(decodeFormer(value));
  return found.toSorted((a, b) => b.epoch - a.epoch);
}
