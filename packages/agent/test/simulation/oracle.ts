/**
 * What must be true, all the time and in the end, whatever goes wrong. Owns the record of who said
 * what and the judgement; it sees durable commits, frames and what agents tell their programs.
 */
import { fingerprintOf, fromHex, parseMessage, toHex } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import { fromBase64Url } from '@agentmesh/protocol';
import type { StoreOperation } from '../../src/store/store.js';
import { KeyLedger } from '../key-ledger.js';
import type { Holdings } from './holdings.js';
import type { TappedFrame } from './network.js';
import type { Trace } from './trace.js';

/** One of the things that must be true was not. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** A message of the workload. */
export interface Saying {
  readonly text: string;
  readonly from: string;
  readonly to: string;
  /** The hub has it, as far as the sender knows. */
  accepted: boolean;
  /** The sender's store had it durably. */
  durable: boolean;
  /** The sender was told that it is not, or may not be, delivered. */
  told: string | null;
  /** The recipient acknowledged it. */
  delivered: boolean;
  /** It was in the recipient's store. */
  received: boolean;
  /** The store that it was said on. */
  readonly store: Holdings;
  /** Its number in the conversation. */
  number: number;
}

export class Oracle {
  readonly ledger = new KeyLedger();
  /** The first thing that was not as it must be; whoever runs the simulation looks. */
  violation: Violation | null = null;
  /** Whether a clock went so far that contents are kept no more. */
  weeksPassed = false;
  /** Whether the hub lost what it had accepted. */
  hubWentBack = false;
  /** How much the hub's store has written; it goes back to no less than the floor. */
  hubLength: () => number = () => 0;
  hubFloor = 0;
  readonly sayings = new Map<string, Saying>();
  readonly #trace: Trace;
  /** In hex, of each name: all identities that it ever had, or may have by now. */
  readonly #aids = new Map<string, Set<string>>();
  /** Fingerprints, by name. */
  readonly #present = new Map<string, string>();
  readonly #holdings = new Map<string, Holdings>();
  /** Names whose stores were lost or restored. */
  readonly #replaced = new Set<string>();
  /** Messages by the id of their envelopes, in hex; null for what agents say on their own. */
  readonly #envelopes = new Map<string, string | null>();
  /** Texts by the id of their messages, in hex. */
  readonly #texts = new Map<string, string>();
  /** Envelopes that the hub's store has taken, in hex. */
  readonly #stored = new Set<string>();
  /** Texts of envelopes that the hub has given up. */
  readonly #deadLettered = new Set<string>();
  /** By connection and number: the envelope of a delivery, or of a `send` that is not answered. */
  readonly #deliveries = new Map<string, string>();
  readonly #requests = new Map<string, string>();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  /** An identity that has a name, or is about to. */
  enrol(name: string, aid: Uint8Array): void {
    this.#aids.set(name, this.#identitiesOf(name).add(toHex(aid)));
  }

  /** The identity that a name's owner knows as the present one. */
  presents(name: string, aid: Uint8Array): void {
    this.#present.set(name, fingerprintOf(aid));
  }

  /** Its fingerprint. */
  presentOf(name: string): string {
    return this.#present.get(name) ?? '';
  }

  /** Whether an identity with this fingerprint is or was the name's. */
  isOf(name: string, fingerprint: string): boolean {
    const aids = [...this.#identitiesOf(name)].map((aid) => fromHex(aid));
    return aids.some((aid) => fingerprintOf(aid) === fingerprint);
  }

  #identitiesOf(name: string): Set<string> {
    return this.#aids.get(name) ?? new Set();
  }

  /** The store that an agent's process works on from now on. */
  usesStore(name: string, holdings: Holdings): void {
    if (this.#holdings.has(name)) this.#replaced.add(name);
    this.#holdings.set(name, holdings);
  }

  /** Whether its store was ever lost or put back. */
  wasReplaced(name: string): boolean {
    return this.#replaced.has(name);
  }

  /** Whether an identity of this name may have been followed by another one. */
  hasFollowed(name: string): boolean {
    return this.#identitiesOf(name).size > 1;
  }

  holdingsOf(name: string): Holdings {
    const holdings = this.#holdings.get(name);
    if (holdings === undefined) throw new RangeError(name);
    return holdings;
  }

  /** A new text from one to another. */
  utter(from: string, to: string): Saying {
    const text = `${from} to ${to}: ${this.sayings.size + 1}`;
    const outcome = { accepted: false, durable: false, told: null, delivered: false };
    const begun = { store: this.holdingsOf(from), received: false, number: 0 };
    const saying: Saying = { text, from, to, ...begun, ...outcome };
    this.sayings.set(text, saying);
    return saying;
  }

  /** A commit of an agent became durable. */
  committed(name: string, operations: readonly StoreOperation[]): void {
    const { kept, arrivals, sealed, faults } = this.holdingsOf(name).learn(operations);
    for (const fault of faults) this.fail(`${name}: ${fault}`);
    for (const { id, text } of kept) this.#texts.set(id, text);
    for (const { envelopeId, text, number } of sealed) {
      this.#envelopes.set(envelopeId, text);
      const saying = text === null ? undefined : this.sayings.get(text);
      if (saying === undefined) continue;
      saying.durable = true;
      saying.number = number;
    }
    for (const { text, from, content, again } of arrivals) {
      this.#trace.add(`${name} received '${text}'`);
      const saying = this.sayings.get(text);
      if (saying === undefined) return this.fail(`${name} received '${text}': nobody said it`);
      const isTrue =
        saying.to === name &&
        content.fromName === saying.from &&
        content.toName === name &&
        this.#identitiesOf(saying.from).has(toHex(from));
      if (!isTrue) this.fail(`${name} received '${text}' from somebody else`);
      if (again) this.fail(`${name} received '${text}' twice`);
      saying.received = true;
    }
  }

  /** The hub's store has taken an envelope. */
  stored(envelopeId: Uint8Array): void {
    this.#stored.add(toHex(envelopeId));
  }

  /**
   * The recipient was told that numbers of a sender will never come. Only a sender that keeps its
   * contents no more says so: after a week, by its clock.
   */
  lost(gap: {
    readonly from: string;
    readonly to: string;
    readonly ranges: readonly SequenceRange[];
  }): void {
    for (const saying of this.sayings.values()) {
      const { from, to, number, received, told } = saying;
      // Of what its sender knows to be refused only the number was sent, which counts for nothing.
      if (received || told !== null || from !== gap.from || to !== gap.to) continue;
      if (!gap.ranges.some((range) => number >= range.from && number <= range.to)) continue;
      if (!this.weeksPassed) return this.fail(`'${saying.text}' was given up before its time`);
      saying.told ??= 'given up';
    }
  }

  /** The sender's program was told that a message is given up; it may be of an earlier run. */
  givenUp(id: string, state: string): void {
    const saying = this.sayings.get(this.#texts.get(id) ?? '');
    if (saying !== undefined) saying.told ??= state;
  }

  /** The recipient's acknowledgement reached the sender's program. */
  delivered(saying: Saying): void {
    saying.delivered = true;
    if (!saying.received) {
      this.fail(`'${saying.text}' counts as delivered, but ${saying.to} never had it`);
    }
  }

  /** An agent gives a frame to the network. */
  toHub({ agent, connection, text }: TappedFrame): void {
    const frame = JSON.parse(text) as ClientFrame;
    this.#trace.add(`${agent} -> hub ${summary(frame)}`);
    if (frame.type === 'send') {
      const { id, blob } = frame.envelope;
      this.#enter(fromBase64Url(blob));
      this.#requests.set(`${connection}/${frame.id}`, toHex(fromBase64Url(id)));
      if (!this.holdingsOf(agent).holdsSealed(fromBase64Url(blob))) {
        this.fail(`${agent} sends what is not durable in its outbox`);
      }
    }
    if (frame.type === 'ack') {
      for (const seq of frame.seqs) this.#acknowledged(agent, `${connection}/${seq}`);
    }
  }

  /** The hub gives a frame to the network. */
  toAgent({ agent, connection, text }: TappedFrame): void {
    const frame = JSON.parse(text) as HubFrame;
    this.#trace.add(`hub -> ${agent} ${summary(frame)}`);
    if (frame.type === 'deliver') {
      const envelopeId = toHex(fromBase64Url(frame.envelope.id));
      this.#deliveries.set(`${connection}/${frame.seq}`, envelopeId);
    }
    if (frame.type === 'notice') {
      const text = this.#envelopes.get(toHex(fromBase64Url(frame.id)));
      if (typeof text === 'string') this.#deadLettered.add(text);
    }
    if (frame.type === 'sent') {
      const envelopeId = this.#requests.get(`${connection}/${frame.re}`);
      if (envelopeId === undefined || !this.#stored.has(envelopeId)) {
        this.fail(`the hub confirms to ${agent} what it has not stored`);
      }
    }
  }

  fail(what: string): void {
    this.violation ??= new Violation(what);
    this.#trace.add(`VIOLATION ${what}`);
  }

  #enter(blob: Uint8Array): void {
    try {
      this.ledger.record(blob);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  #acknowledged(agent: string, delivery: string): void {
    const envelopeId = this.#deliveries.get(delivery);
    if (envelopeId === undefined) return this.fail(`${agent} acknowledges what never came`);
    const text = this.#envelopes.get(envelopeId);
    const { received, refused } = this.holdingsOf(agent);
    if (typeof text !== 'string' || received.has(text) || refused.has(envelopeId)) return;
    this.fail(`${agent} acknowledges '${text}', which is not durable in its store`);
  }

  /** What was accepted and neither arrived nor was given up in the sender's sight. */
  owing(): readonly Saying[] {
    return [...this.sayings.values()].filter((saying) => {
      const { accepted, durable, received, told, from, store } = saying;
      if (received || told !== null || !(accepted || durable)) return false;
      // A store that was lost or restored since cannot say it again: its owner knows.
      return this.holdingsOf(from) === store && !this.#isSaidOnce(saying);
    });
  }

  /**
   * What was sealed by or for an identity that another one has followed is never sealed again, is
   * received for a week, by a store that knows the keys, and begins no session any more: its sender
   * is told, but later than a run lasts. Whether he knew the newest identity is not known here.
   */
  #isSaidOnce(saying: Saying): boolean {
    const { from, to } = saying;
    if (!this.hasFollowed(from) && !this.hasFollowed(to)) return false;
    const mayBeLost = this.weeksPassed || this.hubWentBack || this.#replaced.has(to);
    return mayBeLost || this.#deadLettered.has(saying.text) || this.#isRefused(saying);
  }

  #isRefused({ text, to }: Saying): boolean {
    const { refused } = this.holdingsOf(to);
    return [...this.#envelopes].some(([id, said]) => said === text && refused.has(id));
  }
}

/** The fields that matter here; the shapes were checked by those who made the frames. */
type ClientFrame =
  | {
      readonly type: 'send';
      readonly id: number;
      readonly envelope: { readonly id: string; readonly blob: string };
    }
  | { readonly type: 'ack'; readonly seqs: readonly number[] }
  | { readonly type: 'auth' };

type HubFrame =
  | { readonly type: 'deliver'; readonly seq: number; readonly envelope: { readonly id: string } }
  | { readonly type: 'sent'; readonly re: number }
  | { readonly type: 'notice'; readonly id: string; readonly what: string }
  | { readonly type: 'hello' };

/** A frame in few words: enough to tell two runs apart, and to read a trace. */
function summary(frame: object): string {
  const fields = Object.entries(frame).map(([name, value]) => {
    if (Array.isArray(value) && typeof value[0] === 'string') return `${name}=${value.length}`;
    if (typeof value === 'object' && value !== null) return summaryOfEnvelope(value);
    const text = String(value);
    return name === 'type' ? text : `${name}=${text.slice(0, 16)}`;
  });
  return fields.join(' ');
}

function summaryOfEnvelope(value: object): string {
  const { id, blob } = value as { id?: string; blob?: string };
  return id === undefined ? JSON.stringify(value) : `envelope=${id} ${place(blob ?? '')}`;
}

/** Where a sealed message stands in its session, as everybody on its way can see. */
function place(blob: string): string {
  const message = parseMessage(fromBase64Url(blob));
  const { sid, ratchetKey, previousLength, number, prekeyBlock } = message;
  const [session, chain] = [sid, ratchetKey].map((bytes) => toHex(bytes.subarray(0, 4)));
  const generation = prekeyBlock === null ? '' : ` begins ${prekeyBlock.generation}`;
  return `${session}/${chain}/${previousLength}+${number}${generation}`;
}
