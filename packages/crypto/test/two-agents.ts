/** Alice, Bob and others with keys, records and prekeys; sessions between them; talk over them. */
import {
  AgentKeyPair,
  createIdentityRecord,
  createPrekey,
  encodeContent,
  performKeyExchange,
  seal,
  unseal,
  unsealInitial,
  verifyBundle,
} from '../src/index.js';
import type {
  Bundle,
  Content,
  CryptoSession,
  EstablishedSession,
  InitiatingSession,
  Opened,
  OpenedInitial,
  PeerBundle,
  PrekeyLookup,
  PrekeyPair,
  RandomSource,
  Refused,
} from '../src/index.js';
import { seededRandom } from './seeded-random.js';

export const NOW = 1_767_225_600_000;
export const DAY = 86_400_000;
export const HUB_ID = new Uint8Array(32).fill(0x48);

/** One agent and everything it would have published. */
export interface TestAgent {
  readonly name: string;
  readonly keyPair: AgentKeyPair;
  readonly signed: PrekeyPair;
  readonly oneTime: PrekeyPair;
  readonly record: Uint8Array;
  readonly random: RandomSource;
}

export function makeAgent(name: string, keyPair?: AgentKeyPair): TestAgent {
  const random = seededRandom(name);
  const own = keyPair ?? AgentKeyPair.generate(random);
  const times = { createdMs: NOW, expiresMs: NOW + 9 * DAY, random };
  return {
    name,
    keyPair: own,
    signed: createPrekey({ keyPair: own, kind: 'signed', id: 1, ...times }),
    oneTime: createPrekey({ keyPair: own, kind: 'one-time', id: 7, ...times }),
    record: createIdentityRecord({
      keyPair: own,
      name,
      hubId: HUB_ID,
      createdMs: NOW,
      validUntilMs: NOW + 90 * DAY,
      revision: 1,
    }),
    random,
  };
}

export type OneTime = 'with one-time prekey' | 'without one-time prekey';

export function bundleOf(agent: TestAgent, oneTime: OneTime = 'with one-time prekey'): Bundle {
  const { record, signed } = agent;
  const bundle = { record, signed: signed.record.bytes };
  return oneTime === 'with one-time prekey'
    ? { ...bundle, oneTime: agent.oneTime.record.bytes }
    : bundle;
}

export function verifiedBundleOf(agent: TestAgent, oneTime?: OneTime): PeerBundle {
  const expected = { name: agent.name, hubId: HUB_ID, nowMs: NOW };
  return verifyBundle(bundleOf(agent, oneTime), expected);
}

/** Encoded application content; `text` is the body. */
export function contentOf(text: string, fields: Partial<Content> = {}): Uint8Array {
  return encodeContent({
    kind: 1,
    msgId: new Uint8Array(16).fill(1),
    sentAtMs: NOW,
    convSeq: 1,
    peerAck: 0,
    instance: new Uint8Array(16).fill(2),
    boot: 1,
    logSize: 0,
    logHead: new Uint8Array(32),
    fromName: 'alice',
    toName: 'bob',
    body: new TextEncoder().encode(text),
    ...fields,
  });
}

export function textOf(opened: Opened): string {
  return new TextDecoder().decode(opened.content.body);
}

/** One end of one session; `session` moves on with every message sent or heard. */
export interface Side<Session extends CryptoSession = CryptoSession> {
  readonly me: TestAgent;
  readonly peer: TestAgent;
  session: Session;
}

/** `from` begins a session with `to`. */
export function initiate(
  from: TestAgent,
  to: TestAgent,
  options: { readonly oneTime?: OneTime; readonly generation?: number } = {},
): Side<InitiatingSession> {
  const { oneTime, generation = 1 } = options;
  const bundle = verifiedBundleOf(to, oneTime);
  const { keyPair, random } = from;
  const session = performKeyExchange({ keyPair, bundle, generation, random });
  return { me: from, peer: to, session };
}

/** Seals a text and moves the session on. */
export function say(side: Side, text: string, fields: Partial<Content> = {}): Uint8Array {
  const { me, peer, session } = side;
  const names = { fromName: me.name, toName: peer.name };
  const content = contentOf(text, { ...names, ...fields });
  const sealed = seal({ session, keyPair: me.keyPair, content, random: me.random });
  side.session = sealed.session;
  return sealed.wire;
}

/** What `unseal` answers; the session stays as it is. */
export function tryHear(side: Side, wire: Uint8Array, nowMs = NOW): Opened | Refused {
  return unseal({ session: side.session, wire, nowMs, random: side.me.random });
}

/** Opens a genuine message and moves the session on; a refusal is thrown. */
export function hear(side: Side, wire: Uint8Array, nowMs = NOW): Opened {
  const opened = tryHear(side, wire, nowMs);
  if (!opened.ok) throw opened.error;
  side.session = opened.session;
  return opened;
}

/** The prekeys of an agent, as its store would look them up. */
export function prekeysOf({ signed, oneTime }: TestAgent): PrekeyLookup {
  return {
    signed: (id) => (id === signed.record.id ? signed : null),
    oneTime: (id) => (id === oneTime.record.id ? oneTime : null),
  };
}

/** What `unsealInitial` answers for a first message. */
export function tryHearFirst(
  me: TestAgent,
  wire: Uint8Array,
  options: {
    readonly prekeys?: PrekeyLookup;
    readonly isKnownSid?: (sid: Uint8Array) => boolean;
    readonly nowMs?: number;
  } = {},
): OpenedInitial | Refused {
  const { prekeys = prekeysOf(me), isKnownSid = () => false, nowMs = NOW } = options;
  const { keyPair, random } = me;
  return unsealInitial({ keyPair, wire, prekeys, isKnownSid, nowMs, random });
}

/** Opens a genuine first message: the other end of its session. */
export function hearFirst(
  me: TestAgent,
  peer: TestAgent,
  wire: Uint8Array,
): { readonly side: Side<EstablishedSession>; readonly opened: OpenedInitial } {
  const opened = tryHearFirst(me, wire);
  if (!opened.ok) throw opened.error;
  return { side: { me, peer, session: opened.session }, opened };
}

/** A session in which each has heard the other once. */
export function established(
  alice: TestAgent,
  bob: TestAgent,
): { readonly alice: Side; readonly bob: Side } {
  const a: Side = initiate(alice, bob);
  const { side: b } = hearFirst(bob, alice, say(a, 'hello'));
  hear(a, say(b, 'hello back'));
  return { alice: a, bob: b };
}
