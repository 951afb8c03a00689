/**
 * Our own keys as others see them: identity record, signed and one-time prekeys (protocol.md §2.1,
 * §2.2). Owns making, storing before publishing (P4), publishing, refilling and forgetting them;
 * the arithmetic of ids and dates is `prekeys`'.
 */
import {
  CryptoError,
  createIdentityRecord,
  createPrekey,
  decodePrekeyPair,
  encodePrekeyPair,
  equalBytes,
  LIMITS,
  parseIdentityRecord,
  parsePrekeyRecord,
} from '@agentmesh/crypto';
import type { Bundle, IdentityRecord, PrekeyKind, PrekeyPair } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type { HubConnection, KeyState } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { vouches } from '../self/former-identity.js';
import { KeyedMutex } from '../ground/keyed-mutex.js';
import { NO_HUB } from '../hub/hub-link.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import {
  agreesWithHub,
  decodePrekeyState,
  encodePrekeyState,
  isOfLostTime,
  hasRoomForSigned,
  isRotationDue,
  newestSigned,
  newPrekeyState,
  remainingAfter,
  skipIds,
  takeIds,
  withOneTime,
  withSigned,
} from '../self/prekeys.js';
import type { PrekeyState } from '../self/prekeys.js';
import type { UsedPrekeys } from '../conversation/judge.js';
import { recordTimes, revisionCeiling } from '../self/revision.js';
import { ROW, usedBefore } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';

const SWEEP = 1_000;
/** A hub that says again within this time that it lacks our prekeys gets few new ones. */
const REPLACED_LATELY_MS = 600_000;
const FEW = 5;
/** In revisions, which are seconds: beyond it another store's clock was ahead by half a day. */
const LARGEST_STEP = 2 ** 16;

/** The keys of one agent. */
export class Publisher {
  readonly #context: AgentContext;
  /** One change of keys at a time. */
  readonly #turns = new KeyedMutex();
  /** When the newest signed prekey was made that the hub has shown instead of ours. */
  #shownMs = 0;
  /** A signed prekey that has to be replaced before its time; 0 for none. */
  #exhausted = 0;
  readonly #onRefill: () => void;
  #state: PrekeyState | null = null;
  /** When the hub last held other prekeys than ours. */
  #replacedMs = Number.NEGATIVE_INFINITY;

  /** `onRefill` is called when one-time prekeys run low: have {@link refill} called. */
  constructor(context: AgentContext, onRefill: () => void) {
    this.#context = context;
    this.#onRefill = onRefill;
  }

  /** After each authentication: record and prekeys on the hub are what they should be. */
  publish(hub: HubConnection, held: { readonly hubId: Uint8Array } & KeyState): Promise<void> {
    return this.#publishing(async () => {
      await this.#publishRecord(hub, held.hubId);
      const before = await this.#newestRecord();
      const state = await this.#load();
      const agrees = agreesWithHub(state, before, held);
      // Whatever the hub holds instead may have taken our next numbers. It may also lie, each time.
      const isAgain = this.#context.runtime.now() - this.#replacedMs < REPLACED_LATELY_MS;
      if (!agrees && !isAgain) this.#state = skipIds(state, this.#context.runtime.random);
      // After the store went back, or an end that was not clean, sessions begun with what the hub
      // holds would only receive.
      const isOfBefore = isOfLostTime(state, this.#context.self.meta.prekeysFrom);
      if (!agrees) this.#shownMs = await this.#signedShownMs(hub);
      const rotated = await this.#rotate();
      if (isOfBefore) return this.#replaceAll(hub, AGENT_LIMITS.oneTimePrekeys);
      if (!agrees) {
        this.#replacedMs = this.#context.runtime.now();
        return this.#replaceAll(hub, isAgain ? FEW : AGENT_LIMITS.oneTimePrekeys);
      }
      const count = this.#missing(held.oneTimePrekeys);
      if (rotated !== null || count > 0) await this.#add(hub, rotated, count);
    });
  }

  /** Rotation, refill and renewal while connected; asks the hub how many prekeys are left. */
  refill(hub: HubConnection, hubId: Uint8Array): Promise<void> {
    return this.#publishing(async () => {
      if (await this.#isRecordDue(hubId)) await this.#publishRecord(hub, hubId);
      const rotated = await this.#rotate();
      const signed = rotated === null ? [] : [rotated.record.bytes];
      const { oneTimePrekeys } = await hub.putPrekeys({ signed, oneTime: [] });
      const count = this.#missing(oneTimePrekeys);
      if (count > 0) await this.#add(hub, null, count);
    });
  }

  /** Forgets sessions that were accepted so long ago that nothing can replay them. */
  async sweep(): Promise<void> {
    const { store, runtime } = this.#context;
    const rows = await store.range({ ...usedBefore(runtime.now()), limit: SWEEP });
    const gone = rows.flatMap(({ key, value }) => [
      { delete: key },
      { delete: ROW.usedSession(value) },
    ]);
    if (gone.length > 0) await store.commit(gone);
  }

  /** Record, signed prekey and a one-time prekey of its own, for one peer without a hub. */
  handOver(hubId: Uint8Array | null): Promise<Bundle> {
    return this.#turn(async () => {
      const record = await this.#record(hubId ?? NO_HUB);
      await this.#rotate();
      const [oneTime] = await this.#issueOneTime(1, { onHub: false, replacing: false });
      const signed = (await this.#newestRecord()) ?? new Uint8Array();
      return { record: record.bytes, signed, oneTime: oneTime?.record.bytes };
    });
  }

  /** Another identity takes our place: the prekeys of the present one, and what is left of them. */
  renew(change: (issued: PrekeyState) => Promise<PrekeyState>): Promise<void> {
    return this.#turn(async () => {
      this.#state = await change(await this.#load());
    });
  }

  /** A session was accepted with these prekeys. */
  used({ signed, oneTime, isExhausted }: UsedPrekeys): void {
    if (isExhausted) {
      this.#exhausted = signed;
      this.#onRefill();
    } else if (oneTime === 0) {
      return;
    } else if (this.#state !== null) {
      const left = remainingAfter(this.#state, oneTime);
      if (left <= AGENT_LIMITS.oneTimeRefill) this.#onRefill();
    }
  }

  #turn<T>(task: () => Promise<T>): Promise<T> {
    return this.#turns.run('keys', task);
  }

  /** What the hub refuses because our clock is slow is our clock's fault, not our keys'. */
  async #publishing(task: () => Promise<void>): Promise<void> {
    try {
      await this.#turn(task);
    } catch (error) {
      throw this.#context.hubClock.blamed(error);
    }
  }

  async #load(): Promise<PrekeyState> {
    if (this.#state !== null) return this.#state;
    const row = await this.#context.store.get(ROW.prekeys);
    const { random } = this.#context.runtime;
    this.#state = row === null ? newPrekeyState(random) : decodePrekeyState(row);
    return this.#state;
  }

  async #publishRecord(hub: HubConnection, hubId: Uint8Array): Promise<void> {
    const record = await this.#record(hubId);
    try {
      await hub.putIdentity(record.bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.code !== 'BAD_RECORD') throw error;
      await this.#publishLater(hub, { hubId, record, refusal: error });
    }
  }

  /**
   * An earlier store of this identity has published a later revision, or another record of this
   * one. Where the hub does not show it, since there are no prekeys beside it, higher revisions are
   * tried, each twice as far above.
   */
  async #publishLater(
    hub: HubConnection,
    refused: { hubId: Uint8Array; record: IdentityRecord; refusal: ProtocolError },
  ): Promise<void> {
    const { hubId, record, refusal } = refused;
    const { runtime, hubClock } = this.#context;
    // No other revision makes a record valid that is over already where the hub is.
    if (record.validUntilMs <= hubClock.toHub(runtime.now())) throw refusal;
    const published = await this.#publishedRevision(hub);
    if (published !== null) {
      if (published < record.revision) throw refusal;
      const next = await this.#newRecord(hubId, published + 1);
      await hub.putIdentity(next.bytes);
      return;
    }
    const ceiling = revisionCeiling(runtime.now());
    for (let above = 1; above <= LARGEST_STEP; above *= 2) {
      if (record.revision + above > ceiling) break;
      const next = await this.#newRecord(hubId, record.revision + above);
      const isTaken = await accepts(() => hub.putIdentity(next.bytes));
      if (isTaken) return;
    }
    throw refusal;
  }

  /** Revision of our record as the hub shows it to others; null while it shows none. */
  async #publishedRevision(hub: HubConnection): Promise<number | null> {
    const { keyPair } = this.#context.self;
    try {
      const bundle = await hub.getBundle(keyPair.address, { oneTime: false });
      const { identity, revision } = parseIdentityRecord(bundle.record);
      // Whatever else the hub serves, only what we signed tells how far we are.
      return equalBytes(identity.aid, keyPair.identity.aid) ? revision : null;
    } catch (error) {
      if (error instanceof ProtocolError && error.code === 'PEER_NOT_FOUND') return null;
      throw error;
    }
  }

  /** When our signed prekey was made that the hub shows to others; 0 while it shows none. */
  async #signedShownMs(hub: HubConnection): Promise<number> {
    const { keyPair } = this.#context.self;
    try {
      const { signed } = await hub.getBundle(keyPair.address, { oneTime: false });
      return signed === undefined ? 0 : parsePrekeyRecord(signed, keyPair.identity).createdMs;
    } catch (error) {
      // It shows nothing, or what we have not signed, or says nothing now.
      if (error instanceof CryptoError || error instanceof ProtocolError) return 0;
      throw error;
    }
  }

  /** The record for a hub, signed anew when it is old or was made for another one. */
  async #record(hubId: Uint8Array): Promise<IdentityRecord> {
    const row = await this.#context.store.get(ROW.record);
    const stored = row === null ? null : parseIdentityRecord(row);
    const nowMs = this.#context.runtime.now();
    if (stored !== null && equalBytes(stored.hubId, hubId) && !isOld(stored, nowMs)) return stored;
    return this.#newRecord(hubId, (stored?.revision ?? 0) + 1);
  }

  async #isRecordDue(hubId: Uint8Array): Promise<boolean> {
    const row = await this.#context.store.get(ROW.record);
    if (row === null) return true;
    const stored = parseIdentityRecord(row);
    return isOld(stored, this.#context.runtime.now()) || !equalBytes(stored.hubId, hubId);
  }

  /** Revisions follow the clock, so that a lost store does not begin below an earlier one. */
  async #newRecord(hubId: Uint8Array, atLeast: number): Promise<IdentityRecord> {
    const { self, name, runtime, store } = this.#context;
    const { formers, keyPair } = self;
    const createdMs = runtime.now();
    const [latest] = formers;
    // As long as it may, the identity before this one says so in every record.
    const vouching = latest !== undefined && vouches(latest, createdMs) ? latest : null;
    const times = recordTimes(createdMs, atLeast);
    const previous = vouching?.keyPair;
    const bytes = createIdentityRecord({ keyPair, previous, name, hubId, ...times });
    await store.commit([{ put: ROW.record, value: bytes }]);
    return parseIdentityRecord(bytes);
  }

  async #newestRecord(): Promise<Uint8Array | null> {
    const newest = newestSigned(await this.#load());
    if (newest === null) return null;
    const row = await this.#context.store.get(ROW.signedPrekey(newest.id));
    if (row === null) return null;
    return decodePrekeyPair(row, this.#context.self.keyPair.identity).record.bytes;
  }

  /** A new signed prekey if one is due, stored; the newest one stays the last of the list. */
  async #rotate(): Promise<PrekeyPair | null> {
    const state = await this.#load();
    const nowMs = this.#context.runtime.now();
    const { prekeysFrom } = this.#context.self.meta;
    const isExhausted = newestSigned(state)?.id === this.#exhausted;
    const newestMs = newestSigned(state)?.createdMs ?? 0;
    const isNeeded = isExhausted || isOfLostTime(state, prekeysFrom) || newestMs < this.#shownMs;
    const isDue = isRotationDue(state, nowMs) || (isNeeded && hasRoomForSigned(state, nowMs));
    if (!isDue) return null;
    const taken = takeIds(state, 1);
    // Peers take none that is older than the one before, whatever has become of our clock; in a
    // time that this store has lost there may have been others.
    const createdMs = Math.max(nowMs, newestMs + 1, this.#shownMs + 1);
    const pair = this.#create('signed', taken.first, createdMs);
    const { id, expiresMs } = pair.record;
    const next = withSigned(taken.state, { id, createdMs, expiresMs }, nowMs);
    const tx = this.#context.transaction();
    tx.put(ROW.signedPrekey(id), encodePrekeyPair(pair));
    for (const old of next.dropped) {
      tx.delete(ROW.signedPrekey(old));
      tx.delete(ROW.unaided(old));
    }
    await this.#commit(tx, next.state);
    return pair;
  }

  /** New one-time prekeys, stored before anyone else can see them (P4). */
  async #issueOneTime(
    count: number,
    { onHub, replacing }: { readonly onHub: boolean; readonly replacing: boolean },
  ): Promise<readonly PrekeyPair[]> {
    const nowMs = this.#context.runtime.now();
    const taken = takeIds(await this.#load(), count);
    const pairs = Array.from({ length: count }, (_, i) =>
      this.#create('one-time', taken.first + i, nowMs),
    );
    const issued = pairs.map(({ record }) => ({ id: record.id, createdMs: nowMs, onHub }));
    const next = withOneTime(taken.state, issued, { replacing, nowMs });
    const tx = this.#context.transaction();
    for (const pair of pairs) tx.put(ROW.oneTimePrekey(pair.record.id), encodePrekeyPair(pair));
    for (const id of next.dropped) tx.delete(ROW.oneTimePrekey(id));
    await this.#commit(tx, next.state);
    return pairs;
  }

  #create(kind: PrekeyKind, id: number, createdMs: number): PrekeyPair {
    const { self, runtime } = this.#context;
    const { keyPair } = self;
    const { signedPrekeyLifetimeMs, oneTimePrekeyLifetimeMs } = LIMITS;
    const lifetimeMs = kind === 'signed' ? signedPrekeyLifetimeMs : oneTimePrekeyLifetimeMs;
    const expiresMs = createdMs + lifetimeMs;
    return createPrekey({ keyPair, kind, id, createdMs, expiresMs, random: runtime.random });
  }

  async #commit(tx: StoreTransaction, state: PrekeyState): Promise<void> {
    tx.put(ROW.prekeys, encodePrekeyState(state));
    await tx.commit();
    this.#state = state;
  }

  #missing(held: number): number {
    return held > AGENT_LIMITS.oneTimeRefill ? 0 : AGENT_LIMITS.oneTimePrekeys - held;
  }

  async #add(hub: HubConnection, rotated: PrekeyPair | null, count: number): Promise<void> {
    const pairs = await this.#issueOneTime(count, { onHub: true, replacing: false });
    const signed = rotated === null ? [] : [rotated.record.bytes];
    await hub.putPrekeys({ signed, oneTime: pairs.map(({ record }) => record.bytes) });
  }

  async #replaceAll(hub: HubConnection, count: number): Promise<void> {
    const pairs = await this.#issueOneTime(count, { onHub: true, replacing: true });
    const newest = await this.#newestRecord();
    const signed = newest === null ? [] : [newest];
    const oneTime = pairs.map(({ record }) => record.bytes);
    await hub.putPrekeys({ signed, oneTime, replaceAll: true });
  }
}

/** False for BAD_RECORD. */
async function accepts(put: () => Promise<unknown>): Promise<boolean> {
  try {
    await put();
    return true;
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'BAD_RECORD') return false;
    throw error;
  }
}

function isOld({ createdMs }: IdentityRecord, nowMs: number): boolean {
  return nowMs - createdMs >= AGENT_LIMITS.recordRenewalMs;
}
