/**
 * Two of our agents as far as `@agentmesh/crypto` goes: keys, published prekeys, sessions. Owns
 * what the crypto benches share; does not measure.
 */
import {
  AgentKeyPair,
  createIdentityRecord,
  createPrekey,
  encodeContent,
  performKeyExchange,
  seal,
  systemRandom as random,
  unseal,
  unsealInitial,
  verifyBundle,
} from '@agentmesh/crypto';
import type {
  Bundle,
  CryptoSession,
  EstablishedSession,
  PeerBundle,
  PrekeyPair,
} from '@agentmesh/crypto';

import { confirm } from '../harness/bench-error.js';

const DAY_MS = 86_400_000;
const HUB_ID = new Uint8Array(32).fill(1);
/** Also real agents take part, whose clock is the machine's. */
const NOW_MS = Date.now();

/** An identity with one prekey of each kind. */
export interface OwnAgent {
  readonly name: string;
  readonly keyPair: AgentKeyPair;
  readonly record: Uint8Array;
}

/** Prekeys as published: theirs to fetch, ours to answer with. */
export interface OwnPrekeys {
  readonly signed: PrekeyPair;
  readonly oneTime: PrekeyPair;
}

/** `hubId` null: a record that is handed over without a hub. */
export function ownAgent(name: string, hubId: Uint8Array | null = HUB_ID): OwnAgent {
  const keyPair = AgentKeyPair.generate();
  const times = { createdMs: NOW_MS, validUntilMs: NOW_MS + 90 * DAY_MS };
  const record = createIdentityRecord({
    keyPair,
    name,
    hubId: hubId ?? new Uint8Array(32),
    revision: 1,
    ...times,
  });
  return { name, keyPair, record };
}

export function ownPrekeys({ keyPair }: OwnAgent): OwnPrekeys {
  const common = { keyPair, createdMs: NOW_MS, expiresMs: NOW_MS + 9 * DAY_MS, random };
  return {
    signed: createPrekey({ ...common, kind: 'signed', id: 1 }),
    oneTime: createPrekey({ ...common, kind: 'one-time', id: 2 }),
  };
}

/** What an agent hands over to another, with fresh prekeys. */
export function handedOver(owner: OwnAgent): Bundle {
  const { signed, oneTime } = ownPrekeys(owner);
  const { record } = owner;
  return { record, signed: signed.record.bytes, oneTime: oneTime.record.bytes };
}

/** What whoever writes to `owner` fetches, checked as an agent checks it. */
export function checkedBundle(owner: OwnAgent, { signed, oneTime }: OwnPrekeys): PeerBundle {
  const { record, name } = owner;
  const bundle = { record, signed: signed.record.bytes, oneTime: oneTime.record.bytes };
  return verifyBundle(bundle, { name, hubId: HUB_ID, nowMs: NOW_MS });
}

/** An application message's content of exactly so many bytes of text. */
export function contentOf(body: Uint8Array): Uint8Array {
  return encodeContent({
    kind: 1,
    msgId: new Uint8Array(16).fill(1),
    sentAtMs: NOW_MS,
    convSeq: 1,
    peerAck: 0,
    instance: new Uint8Array(16).fill(2),
    boot: 1,
    logSize: 0,
    logHead: new Uint8Array(32),
    fromName: 'alice',
    toName: 'bob',
    body,
  });
}

/** Two ends of one session, which move on with each message. */
export class OwnPair {
  readonly agents: readonly [OwnAgent, OwnAgent];
  readonly #sessions: [CryptoSession, CryptoSession];

  private constructor(
    agents: readonly [OwnAgent, OwnAgent],
    sessions: [EstablishedSession, EstablishedSession],
  ) {
    this.agents = agents;
    this.#sessions = sessions;
  }

  /** Established: each end has heard the other. */
  static create(): OwnPair {
    const [alice, bob] = [ownAgent('alice'), ownAgent('bob')] as const;
    const prekeys = ownPrekeys(bob);
    const bundle = checkedBundle(bob, prekeys);
    const begun = beginSession(alice, bundle);
    const answered = answerSession(bob, begun.wire, prekeys);
    const reply = seal({
      session: answered,
      keyPair: bob.keyPair,
      content: contentOf(Uint8Array.of(2)),
      random,
    });
    const heard = unseal({ session: begun.session, wire: reply.wire, nowMs: NOW_MS, random });
    confirm(heard.ok, 'the answer opens');
    return new OwnPair([alice, bob], [heard.session, reply.session]);
  }

  seal(from: 0 | 1, content: Uint8Array): Uint8Array {
    const { keyPair } = this.agents[from];
    const sealed = seal({ session: this.#sessions[from], keyPair, content, random });
    this.#sessions[from] = sealed.session;
    return sealed.wire;
  }

  /** The body; throws if the message does not open. */
  open(to: 0 | 1, wire: Uint8Array): Uint8Array {
    const opened = unseal({ session: this.#sessions[to], wire, nowMs: NOW_MS, random });
    confirm(opened.ok, 'the message opens');
    this.#sessions[to] = opened.session;
    return opened.content.body;
  }

  /** Whether a message is refused, which must not change anything. */
  refuses(to: 0 | 1, wire: Uint8Array): boolean {
    return !unseal({ session: this.#sessions[to], wire, nowMs: NOW_MS, random }).ok;
  }

  /** A copy of both ends: sessions are values. */
  fork(): OwnPair {
    return new OwnPair(this.agents, [...this.#sessions] as [
      EstablishedSession,
      EstablishedSession,
    ]);
  }
}

/** From a checked bundle to the first message. */
export function beginSession(
  from: OwnAgent,
  bundle: PeerBundle,
): { readonly wire: Uint8Array; readonly session: CryptoSession } {
  const { keyPair } = from;
  const session = performKeyExchange({ keyPair, bundle, generation: 1, random });
  return seal({ session, keyPair, content: contentOf(Uint8Array.of(1)), random });
}

/** From the first message to the other end's session. */
export function answerSession(
  to: OwnAgent,
  wire: Uint8Array,
  { signed, oneTime }: OwnPrekeys,
): EstablishedSession {
  const opened = unsealInitial({
    keyPair: to.keyPair,
    wire,
    prekeys: { signed: () => signed, oneTime: () => oneTime },
    isKnownSid: () => false,
    nowMs: NOW_MS,
    random,
  });
  confirm(opened.ok, 'the first message opens');
  return opened.session;
}
