/**
 * How a stranger becomes a peer: asked for by name, handed over, or writing first (protocol.md
 * §2.12). Owns pins and their changes; the judgement is `trust`'s, checks of keys are
 * `handshake`'s.
 */
import {
  aidOfAddress,
  CryptoError,
  equalBytes,
  fingerprintOf,
  fingerprintsEqual,
  addressOf,
  parseIdentityRecord,
  toHex,
} from '@agentmesh/crypto';
import type { Bundle, IdentityRecord } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { type BundleSource, isNotFound } from './bundle-source.js';
import { NO_HUB } from '../hub/hub-link.js';
import { AgentError, IdentityChangedError } from '../ground/errors.js';
import {
  askedAs,
  assertOneTimePrekey,
  beginSession,
  checkBundle,
  checkRecord,
  claimedAid,
  loadPeer,
  loadPresentPeer,
  pinnedPeer,
  questionOf,
  withRecords,
} from '../conversation/handshake.js';
import type { BundleQuestion } from '../conversation/handshake.js';
import { KeyedMutex } from '../ground/keyed-mutex.js';
import {
  activeOf,
  encodePeer,
  fingerprintOfPeer,
  formerOf,
  newPeer,
  successorOf,
} from '../conversation/peer.js';
import type { Peer, VerifiedBy } from '../conversation/peer.js';
import type { Revocations } from './revocations.js';
import { ROW } from '../store/row-keys.js';
import { forgetReplaced } from './forgetting.js';
import { encodeHanded, unvouched } from './handed-bundle.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { Successions } from './successions.js';
import { assertReferenceFits, isProvenBy, judgeContact, wayOf } from '../conversation/trust.js';
import { begun } from '../conversation/beginning.js';
import { inheritContact, noteNewcomer } from '../conversation/contact.js';
import type { PeerReference } from '../conversation/trust.js';

/** Everyone who is or becomes a peer of one agent. */
export class Introductions {
  readonly #context: AgentContext;
  readonly #bundles: BundleSource;
  readonly #revocations: Revocations;
  readonly #successions: Successions;
  readonly #onMet: (aid: Uint8Array) => void;
  /** By the text of the reference: calls for one peer go on in the order in which they came. */
  readonly #turns = new KeyedMutex();
  /** Names being pinned right now, with the aid in hex: two identities never share one. */
  readonly #claims = new Map<string, string>();

  constructor(parts: {
    readonly context: AgentContext;
    readonly bundles: BundleSource;
    readonly revocations: Revocations;
    readonly onMet: (aid: Uint8Array) => void;
    /** Another identity has followed this one of a peer, which is told nothing any more. */
    readonly onFollowed: (previous: Uint8Array) => void;
  }) {
    const { context, bundles, revocations } = parts;
    this.#context = context;
    this.#bundles = bundles;
    this.#revocations = revocations;
    this.#onMet = parts.onMet;
    this.#successions = new Successions(parts);
  }

  /** The aid of a peer. One that is new is requested from the hub, judged, pinned. */
  resolve(reference: PeerReference): Promise<Uint8Array> {
    return this.#turns.run(reference.text, async () => {
      const peer = await this.find(reference);
      if (peer === null) return this.#watch(() => this.#meet(reference));
      await this.#verifyBy(peer, reference);
      return peer.identity.aid;
    });
  }

  /** The peer that a reference names, if there is one; BAD_FINGERPRINT if it proves another. */
  async find(reference: PeerReference): Promise<Peer | null> {
    const tx = this.#context.transaction();
    const { name, aid } = reference;
    const asked = aid ?? new Uint8Array();
    const found = await (name === null ? loadPresentPeer(tx, asked) : pinnedPeer(tx, name));
    if (found !== null) assertReferenceFits(reference, found);
    return found;
  }

  /**
   * A bundle that was handed over: kept until the first message to this peer. Gives its aid. The
   * name in it is its maker's claim: without a fingerprint it blocks no peer that has this name.
   */
  async accept(bundle: Bundle, fingerprint: string | null): Promise<Uint8Array> {
    const { name } = parseIdentityRecord(bundle.record);
    await this.#revocations.noticeIn(bundle);
    const reference = { text: name, name, fingerprint, aid: null };
    const question = { name, aid: null, fingerprint, hubId: null };
    const take = () => this.#take({ bundle, question, reference, handedOver: true });
    return fingerprint === null ? take().catch(unvouched) : this.#watch(take);
  }

  /**
   * Step 9 of §2.8: a stranger who writes first. The hub must name this identity for this name; a
   * self-claimed name alone never makes a pin. The name stays claimed until {@link release}.
   */
  async meetSender(tx: StoreTransaction, name: string, aid: Uint8Array): Promise<Peer> {
    if (!this.#bundles.hasHub) throw new AgentError('UNKNOWN_SENDER');
    const record = await this.askForRecord(name).catch((error: unknown) =>
      this.#withoutRecord(name, aid, error),
    );
    if (equalBytes(record.identity.aid, aid)) return this.#pin(tx, record);
    // It may have changed its identity while the message was on its way.
    const own = await this.#successions.recordOf(aid);
    const isFollowed =
      own?.name === name && (await this.#successions.mayFollow(record, own.identity));
    if (!isFollowed) throw new AgentError('NAME_CONFLICT');
    return this.#pin(tx, own);
  }

  /** A stranger whose message could not be opened: met by the address that the hub names. */
  async meetAddress(
    tx: StoreTransaction,
    aid: Uint8Array,
  ): Promise<{ readonly peer: Peer; readonly bundle: Bundle; readonly question: BundleQuestion }> {
    const question = { name: null, aid, fingerprint: null, hubId: this.#bundles.hubId };
    const bundle = await this.#bundles.ask({ peer: addressOf(aid), oneTime: true });
    const { hubClock, runtime } = this.#context;
    const { record } = hubClock.judge(() => checkBundle(bundle, question, null, runtime.now()));
    return { peer: await this.#pin(tx, record), bundle, question };
  }

  /** The pin of a name was committed, or will not be. */
  release(aid: Uint8Array): void {
    const owner = toHex(aid);
    for (const [name, claimant] of this.#claims) {
      if (claimant === owner) this.#claims.delete(name);
    }
  }

  /**
   * A name shows another identity. The aid of that one if it rightly follows the pinned one; else
   * null, and the pinned peer is blocked until somebody decides. Throws when the hub cannot be
   * asked now: then nothing is decided.
   */
  async decide(change: IdentityChangedError): Promise<Uint8Array | null> {
    const successor = await this.#follow(change);
    if (successor === null) await this.#contest(change);
    return successor;
  }

  async #follow({ peer: name, pinnedAddress }: IdentityChangedError): Promise<Uint8Array | null> {
    try {
      const record = await this.askForRecord(name);
      const { aid } = record.identity;
      const previous = aidOfAddress(pinnedAddress);
      return await this.#context.peers.run(toHex(aid), async () => {
        const peer = await this.#pinSuccessor(record);
        const follows = peer.formerly.some((each) => equalBytes(each, previous));
        if (follows) await this.#successions.complete(peer);
        return follows ? aid : null;
      });
    } catch (error) {
      if (error instanceof AgentError && !error.retryable) return null;
      throw error;
    }
  }

  /** The peer with this record, pinned now if it is not yet. Its lock is held. */
  async #pinSuccessor(record: IdentityRecord): Promise<Peer> {
    const tx = this.#context.transaction();
    const { aid } = record.identity;
    const known = await loadPeer(tx, aid);
    if (known !== null) return known;
    try {
      const peer = await this.#pin(tx, record);
      tx.put(ROW.peer(aid), encodePeer(peer));
      await tx.commit();
      return peer;
    } finally {
      this.release(aid);
    }
  }

  /** Blocks a peer whose name shows another identity, and says so once. */
  async #contest(change: IdentityChangedError): Promise<void> {
    const context = this.#context;
    const aid = aidOfAddress(change.pinnedAddress);
    const shown = aidOfAddress(change.shownAddress);
    await context.peers.run(toHex(aid), async () => {
      const tx = context.transaction();
      const peer = await loadPeer(tx, aid);
      if (peer === null || (peer.contestedBy !== null && equalBytes(peer.contestedBy, shown))) {
        return;
      }
      tx.put(ROW.peer(aid), encodePeer({ ...peer, contestedBy: shown }));
      await tx.commit();
      const { peer: name, pinned } = change;
      context.events.emit('identityChanged', { peer: name, pinned, shown: change.shown });
    });
  }

  /** A person's decision about a name: the identity with this fingerprint is the right one. */
  async trust(name: string, fingerprint: string): Promise<void> {
    const peer = await pinnedPeer(this.#context.transaction(), name);
    if (peer === null) {
      throw new AgentError('UNKNOWN_PEER', `write to '${name}#<fingerprint>' first`);
    }
    if (fingerprintsEqual(fingerprint, fingerprintOfPeer(peer))) {
      return this.#confirm(peer.identity.aid, 'person');
    }
    const { contestedBy } = peer;
    if (contestedBy === null || !fingerprintsEqual(fingerprint, fingerprintOf(contestedBy))) {
      throw new CryptoError('BAD_FINGERPRINT');
    }
    await this.#meet({ text: name, name, fingerprint, aid: null }, peer);
  }

  /** Runs a first contact; one that reveals a changed identity blocks the pinned peer. */
  async #watch<T>(contact: () => Promise<T>): Promise<T> {
    try {
      return await contact();
    } catch (error) {
      if (error instanceof IdentityChangedError) await this.decide(error);
      throw error;
    }
  }

  async #meet(reference: PeerReference, replaced?: Peer): Promise<Uint8Array> {
    const bundle = await this.#bundles.request({ peer: reference.text, oneTime: true });
    const question = questionOf(reference, this.#bundles.hubId ?? NO_HUB);
    return this.#take({ bundle, question, reference, replaced });
  }

  /** Checks a bundle, pins its owner if it is new, and begins or prepares a session. */
  async #take(contact: {
    readonly bundle: Bundle;
    readonly question: BundleQuestion;
    readonly reference: PeerReference;
    readonly handedOver?: boolean;
    readonly replaced?: Peer | undefined;
  }): Promise<Uint8Array> {
    const context = this.#context;
    const { bundle, question, reference, replaced } = contact;
    const aid = claimedAid(bundle);
    if (context.self.isOurs(aid)) throw new CryptoError('INVALID_ARGUMENT', 'your own bundle');
    return context.peers.run(toHex(aid), async () => {
      const tx = context.transaction();
      const author = context.self.author();
      const known = await loadPeer(tx, aid);
      const judge = () => checkBundle(bundle, question, known, author.nowMs);
      const checked = context.hubClock.judge(judge);
      if (replaced !== undefined) await forgetReplaced(context.store, tx, replaced);
      if (replaced !== undefined) tx.put(ROW.name(replaced.name), aid);
      try {
        const pinned = known ?? (await this.#pin(tx, checked.record, reference, replaced));
        if (pinned.name !== checked.record.name) throw new AgentError('NAME_CONFLICT');
        let peer = withRecords(pinned, checked);
        if (contact.handedOver === true) {
          tx.put(ROW.bundle(aid), encodeHanded(bundle));
        } else if (activeOf(peer, author.meta.epoch) === null) {
          assertOneTimePrekey(checked, context.requireOneTimePrekey);
          ({ peer } = await beginSession(tx, author, { peer, bundle: checked }));
        }
        tx.put(ROW.peer(aid), encodePeer(peer));
        await tx.commit();
        if (known === null) this.met(peer);
        return aid;
      } finally {
        this.release(aid);
      }
    });
  }

  /** A new peer was committed: tells of it, and ends what was said to the one it follows. */
  met(peer: Peer): void {
    this.#onMet(peer.identity.aid);
    if (peer.formerly.length > 0) {
      this.#successions.complete(peer).catch((error: unknown) => {
        // Tried again when something is said to the identity before.
        this.#context.log.warn('succession not completed', { error: nameOf(error) });
      });
      return;
    }
    if (peer.trust !== 'first-contact') return;
    const address = addressOf(peer.identity.aid);
    const fingerprint = fingerprintOfPeer(peer);
    this.#context.events.emit('firstContact', { peer: peer.name, address, fingerprint });
  }

  async #pin(
    tx: StoreTransaction,
    record: IdentityRecord,
    reference?: PeerReference,
    replaced?: Peer,
  ): Promise<Peer> {
    const { name, identity } = record;
    const { aid } = identity;
    const owner = toHex(aid);
    const claimant = this.#claims.get(name) ?? owner;
    if (claimant !== owner) throw new AgentError('HANDSHAKE_BUDGET', `'${name}' is being met`);
    if (await this.#revocations.has(aid)) throw new CryptoError('REVOKED');
    this.#claims.set(name, owner);
    const { policy, self } = this.#context;
    const change = { epoch: self.meta.numbersSince, nowMs: this.#nowMs };
    const pinned = replaced === undefined ? await pinnedPeer(tx, name) : null;
    const mayFollow = pinned !== null && pinned.contestedBy === null;
    if (mayFollow && (await this.#successions.mayFollow(record, pinned.identity))) {
      tx.put(ROW.name(name), aid);
      await inheritContact(tx, { from: pinned.identity.aid, to: aid });
      await this.#successions.forgetOldest(tx, pinned);
      return successorOf(pinned, record, change);
    }
    // A hub may have answered before the other one was met: what counts is who signed.
    if (pinned !== null && reference === undefined) {
      const present = parseIdentityRecord(pinned.record.bytes);
      const isFormer = await this.#successions.mayFollow(present, identity);
      if (isFormer) return formerOf(pinned, record, change);
    }
    const standing = judgeContact(policy, { record, pinned, reference, nowMs: this.#nowMs });
    tx.put(ROW.name(name), aid);
    noteNewcomer(tx, aid, { policy, standing, reference, nowMs: this.#nowMs });
    return begun(tx, newPeer(record, standing, self.meta.numbersSince));
  }

  /**
   * A name that moves to another identity belongs to none until that one has prekeys. Its former
   * owner is asked to wait; any other agent has made it up.
   */
  async #withoutRecord(name: string, aid: Uint8Array, error: unknown): Promise<never> {
    const isNobodys = error instanceof AgentError && error.code === 'NO_PREKEYS';
    const own = isNobodys ? await this.#successions.recordOf(aid) : null;
    throw isNobodys && own?.name !== name
      ? new AgentError('NAME_CONFLICT', undefined, error)
      : error;
  }

  async askForRecord(name: string): Promise<IdentityRecord> {
    const question = { name, aid: null, fingerprint: null, hubId: this.#bundles.hubId };
    try {
      const bundle = await this.#bundles.ask({ peer: askedAs(question), oneTime: false });
      return checkRecord(bundle, question, this.#context.runtime.now());
    } catch (error) {
      if (error instanceof CryptoError && error.code === 'REVOKED') throw error;
      if (isNotFound(error)) throw new AgentError('NO_PREKEYS', undefined, error);
      throw error instanceof CryptoError
        ? new AgentError('NAME_CONFLICT', undefined, error)
        : error;
    }
  }

  async #verifyBy(peer: Peer, reference: PeerReference): Promise<void> {
    if (peer.trust !== 'verified' && isProvenBy(reference, peer.identity.aid)) {
      await this.#confirm(peer.identity.aid, wayOf(reference), false);
    }
  }

  /** This identity was proven by other means than a name. */
  async verifiedBy(aid: Uint8Array, way: VerifiedBy): Promise<void> {
    await this.#confirm(aid, way, false);
  }

  get #nowMs(): number {
    return this.#context.runtime.now();
  }

  /** Marks the pinned identity as compared; `decided` also lifts what waited for a decision. */
  async #confirm(aid: Uint8Array, verifiedBy: VerifiedBy, decided = true): Promise<void> {
    const context = this.#context;
    await context.peers.run(toHex(aid), async () => {
      const tx = context.transaction();
      const peer = await loadPeer(tx, aid);
      if (peer === null) return;
      const verified: Peer = { ...peer, trust: 'verified', verifiedBy };
      tx.delete(ROW.stranger(aid));
      const instance = peer.heldInstance ?? peer.instance;
      const lifted = decided
        ? { ...verified, contestedBy: null, heldInstance: null, instance }
        : verified;
      tx.put(ROW.peer(aid), encodePeer(lifted));
      await tx.commit();
    });
  }
}
