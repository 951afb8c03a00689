/**
 * The change of an agent's identity (protocol.md §2.13), safe at every step: the next keys are kept
 * before anybody hears of them, the present identity signs for them at the hub, then one commit
 * makes them the present ones. Owns these steps and how an interrupted change is taken up again;
 * what peers make of it is `succession`'s.
 */
import {
  addressOf,
  createIdentityRecord,
  equalBytes,
  parseIdentityRecord,
} from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import { encodeFormer, formerOf } from '../self/former-identity.js';
import type { BundleSource } from '../peers/bundle-source.js';
import { NO_HUB } from '../hub/hub-link.js';
import type { HubLink } from '../hub/hub-link.js';
import type { IdentityKeeper } from '../keys/kept-identity.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { encodeMeta, succeededMeta } from '../self/meta.js';
import { encodeOpenings, NO_OPENINGS, withOpening } from '../self/openings.js';
import { encodePrekeyState } from '../self/prekeys.js';
import type { Publisher } from '../keys/publisher.js';
import { decodeBegun, encodeBegun } from '../self/begun-rotation.js';
import { owns } from '../self/present-identity.js';
import { recordTimes } from '../self/revision.js';
import { decodePeer } from '../conversation/peer.js';
import { ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { Transmitter } from '../sending/transmitter.js';

/** How a change of identity treats what the hub has not accepted yet. */
export interface RotationOptions {
  /**
   * Messages that the hub does not take within 30 seconds, such as those to a peer whose queue is
   * full, are given up instead of ending the change with ROTATION_BUSY: they are UNDELIVERED.
   */
  readonly giveUpUnsent?: boolean | undefined;
}

/** Answers of a hub after which it has surely not taken the next identity. */
const REFUSALS: ReadonlySet<string> = new Set(['BAD_RECORD', 'NOT_OWNER', 'REVOKED', 'BLOCKED']);

/** Longest pause between two questions whether a change was made. */
const LONGEST_PAUSE_MS = 5_000;

/** The changes of identity of one agent. */
export class Rotation {
  readonly #context: AgentContext;
  readonly #link: HubLink;
  readonly #bundles: BundleSource;
  readonly #publisher: Publisher;
  readonly #transmitter: Transmitter;
  readonly #keeper: IdentityKeeper;
  readonly #onSwitch: () => void;
  readonly #onLate: () => void;
  /** The change that is being made; settled once it is answered. */
  #whole: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Ends a pause between two questions. */
  #wake: (() => void) | null = null;
  /** The present keys are not in their file yet. */
  #areKeysToMove = false;
  #isBusy = false;

  constructor(parts: {
    readonly context: AgentContext;
    readonly link: HubLink;
    readonly bundles: BundleSource;
    readonly publisher: Publisher;
    readonly transmitter: Transmitter;
    readonly keeper: IdentityKeeper;
    /** Called in the moment in which the next identity becomes the present one. */
    readonly onSwitch: () => void;
    /** A change was made whose caller had been told that nobody knew. */
    readonly onLate: () => void;
  }) {
    this.#context = parts.context;
    this.#link = parts.link;
    this.#bundles = parts.bundles;
    this.#publisher = parts.publisher;
    this.#transmitter = parts.transmitter;
    this.#keeper = parts.keeper;
    this.#onSwitch = parts.onSwitch;
    this.#onLate = parts.onLate;
  }

  /**
   * Changes to the next identity; {@link moveKeys} then. ROTATION_BUSY: nothing was changed,
   * nothing kept. False when the identity is that one already, as after a change whose caller was
   * not told that it was made.
   */
  async begin(given: AgentKeyPair | undefined, options: RotationOptions): Promise<boolean> {
    if (!this.#link.isUp) throw new ProtocolError('CONNECTION_LOST');
    if (this.#areKeysToMove) await this.moveKeys();
    if (given !== undefined && owns(given, this.#context.self.aid)) return false;
    // Its caller was told that it is not answered yet: this call is answered with it.
    if (this.#isBusy) return this.#untilAnswered(given);
    const { giveUpUnsent } = options;
    // Before nobody may speak: giving up needs the peers' locks.
    if (giveUpUnsent === true && !(await this.#isDrained())) {
      await this.#transmitter.giveUp(new AgentError('UNDELIVERED', 'given up for a new identity'));
    }
    await this.#alone(async () => {
      await this.#flush();
      if (given !== undefined) await this.#assertContinues(given);
      return this.#keeper.prepare(given);
    });
    return true;
  }

  /**
   * Changes while nobody speaks. A change whose answer does not come is neither made nor not made:
   * the caller is told, and nobody speaks as either identity before the hub has answered.
   */
  #alone(prepare: () => Promise<AgentKeyPair>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#isBusy = true;
    const { identityLock, keepAlive } = this.#context;
    const whole = identityLock.exclusive(async () => {
      try {
        await this.#change(await prepare(), reject);
      } finally {
        this.#isBusy = false;
      }
    });
    this.#whole = keepAlive.during(whole);
    this.#whole.then(resolve, reject);
    return promise;
  }

  async #untilAnswered(given: AgentKeyPair | undefined): Promise<false> {
    if (given !== undefined) await this.#assertContinues(given);
    await this.#whole;
    return false;
  }

  /** The agent ends: what is not answered yet is taken up by the next run. */
  stop(): void {
    this.#stopped = true;
    this.#wake?.();
  }

  /** Whether a change has the identity's lock, or asks for it, and may wait for the hub. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Completes the change that an earlier run began. */
  resume(next: AgentKeyPair): Promise<void> {
    return this.#alone(async () => {
      await this.#flush();
      return next;
    });
  }

  /** The hub does not know the present identity any more: the next one is there already. */
  async conclude(next: AgentKeyPair): Promise<void> {
    await this.#switchTo(next, await this.#recordBegun(next));
  }

  /** The keys of the present identity replace those before in their file. */
  async moveKeys(): Promise<void> {
    await this.#keeper.promote();
    this.#areKeysToMove = false;
  }

  /**
   * No identity follows one that it has followed itself, and a change whose fate is not known yet
   * is not begun again with other keys.
   */
  async #assertContinues({ identity }: AgentKeyPair): Promise<void> {
    if (this.#context.self.isOurs(identity.aid)) {
      throw new AgentError('BAD_OPTION', 'next: keys of an identity that this agent had');
    }
    const row = await this.#context.store.get(ROW.rotation);
    if (row === null) return;
    const { next } = decodeBegun(row);
    if (equalBytes(next, identity.aid)) return;
    throw new AgentError('BAD_OPTION', `a change to ${addressOf(next)} was begun: pass its keys`);
  }

  /** Nobody speaks meanwhile: what was sealed by the present identity only it can send. */
  async #flush(): Promise<void> {
    if (!(await this.#isDrained())) throw new AgentError('ROTATION_BUSY');
  }

  /** Whether the hub takes everything within `rotationDrainMs`. */
  async #isDrained(): Promise<boolean> {
    const { promise: late, resolve } = Promise.withResolvers<'late'>();
    const { rotationDrainMs } = AGENT_LIMITS;
    const cancel = this.#context.runtime.schedule(rotationDrainMs, () => resolve('late'));
    const result = await Promise.race([this.#transmitter.idle(), late]);
    cancel();
    const { failure } = this.#context.store;
    if (failure !== null) throw failure;
    // It also ends when nothing is sent any more.
    return result !== 'late' && this.#transmitter.depth === 0;
  }

  /** `unanswered` is told once that the answer has not come; it is asked for until it does. */
  async #change(next: AgentKeyPair, unanswered: (error: unknown) => void): Promise<void> {
    const { self, store } = this.#context;
    const { keyPair } = self;
    const record = (await this.#recordBegun(next)) ?? this.#sign(next);
    const begun = { previous: keyPair, next: next.identity.aid, record };
    await store.commit([{ put: ROW.rotation, value: encodeBegun(begun) }]);
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#switchTo(next, await this.#publish(next, record));
        if (attempt > 0) this.#onLate();
        return;
      } catch (error) {
        await this.#undoIfRefused(error);
        if (!this.#mayBeAnswered(error)) throw error;
        unanswered(error);
        await this.#pause(Math.min(AGENT_LIMITS.resendMs * 2 ** attempt, LONGEST_PAUSE_MS));
        if (this.#stopped) throw error;
      }
    }
  }

  #mayBeAnswered(error: unknown): boolean {
    const isOpen = error instanceof ProtocolError && error.retryable;
    return isOpen && !this.#stopped && this.#link.ended === null;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#context.runtime.schedule(delayMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  /** The record that an earlier attempt has signed for this hub. */
  async #recordBegun({ identity }: AgentKeyPair): Promise<Uint8Array | null> {
    const row = await this.#context.store.get(ROW.rotation);
    if (row === null) return null;
    const { next, record } = decodeBegun(row);
    if (record === null || !equalBytes(next, identity.aid)) return null;
    const { hubId } = parseIdentityRecord(record);
    return equalBytes(hubId, this.#link.hubId ?? NO_HUB) ? record : null;
  }

  /** A hub that has answered no has changed nothing: nor do we. Anything else may be taken up. */
  async #undoIfRefused(error: unknown): Promise<void> {
    if (!(error instanceof ProtocolError) || !REFUSALS.has(error.code)) return;
    await this.#context.store.commit([{ delete: ROW.rotation }]);
    await this.#keeper.discard();
  }

  #sign(next: AgentKeyPair): Uint8Array {
    const { self, name, runtime } = this.#context;
    const { keyPair: previous } = self;
    const hubId = this.#link.hubId ?? NO_HUB;
    const times = recordTimes(runtime.now());
    return createIdentityRecord({ keyPair: next, previous, name, hubId, ...times });
  }

  /** The hub gives our name to the next identity; returns the record that says so. */
  async #publish(next: AgentKeyPair, record: Uint8Array): Promise<Uint8Array> {
    try {
      await this.#link.request((hub) => hub.putIdentity(record));
      return record;
    } catch (error) {
      if (!isRefusal(error, 'NOT_OWNER')) throw error;
      return this.#publishedBefore(next, record, error);
    }
  }

  /**
   * The present identity owns the name no more: an earlier attempt was answered, and the answer was
   * lost. Until the next identity has published prekeys the hub has nothing to show for the name:
   * then what it has taken is `record`.
   */
  async #publishedBefore(
    next: AgentKeyPair,
    record: Uint8Array,
    refusal: unknown,
  ): Promise<Uint8Array> {
    const { name } = this.#context;
    try {
      const bundle = await this.#bundles.request({ peer: name, oneTime: false });
      const { identity, bytes } = parseIdentityRecord(bundle.record);
      if (owns(next, identity.aid)) return bytes;
    } catch (error) {
      if (isRefusal(error, 'PEER_NOT_FOUND')) return record;
      throw error;
    }
    throw refusal;
  }

  /** One commit: from now on we are the next identity, and the present one is a former one. */
  #switchTo(next: AgentKeyPair, record: Uint8Array | null): Promise<void> {
    const context = this.#context;
    return this.#publisher.renew(async (prekeys) => {
      const { self, runtime } = context;
      const { keyPair, meta } = self;
      const former = formerOf(keyPair, meta, { prekeys, nowMs: runtime.now() });
      const renewed = succeededMeta(meta, next.identity.aid, runtime.random);
      const issued = { ...prekeys, signed: [], oneTime: [] };
      const tx = context.transaction();
      tx.put(ROW.former(keyPair.identity.aid), encodeFormer(former));
      tx.put(ROW.prekeys, encodePrekeyState(issued));
      tx.put(ROW.meta, encodeMeta(renewed));
      // The hub has seen none of the next one.
      tx.put(ROW.openings, encodeOpenings(withOpening(NO_OPENINGS, renewed)));
      if (record === null) tx.delete(ROW.record);
      else tx.put(ROW.record, record);
      tx.delete(ROW.rotation);
      for await (const { value } of rowsUnder(context.store, 'peer')) {
        const { identity, outgoing } = decodePeer(value);
        const isKept = outgoing.epoch === meta.numbersSince && outgoing.keptFrom < outgoing.next;
        // What it has not acknowledged the next identity settles with it.
        if (isKept) tx.put(ROW.behind(identity.aid, outgoing.epoch), new Uint8Array());
      }
      await tx.commit();
      context.self.become(next, renewed, former);
      this.#areKeysToMove = true;
      this.#onSwitch();
      return issued;
    });
  }
}

function isRefusal(error: unknown, code: string): boolean {
  return error instanceof ProtocolError && error.code === code;
}
