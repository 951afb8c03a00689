/**
 * What one message does to an agent: the order of checks of protocol.md §2.8, steps 1 to 11, as one
 * function of small steps. Owns the judgement. Everything it changes is collected in a transaction
 * that the caller commits only when it returns; a refusal is thrown and leaves nothing behind.
 */
import {
  aidOf,
  CryptoError,
  decodePrekeyPair,
  equalBytes,
  LIMITS,
  parseMessage,
  unseal,
  unsealInitial,
} from '@agentmesh/crypto';
import type {
  Content,
  CryptoSession,
  MessageProof,
  Opened,
  OpenedInitial,
  ParsedMessage,
  PrekeyPair,
  Refused,
} from '@agentmesh/crypto';
import { readBody } from './body.js';
import type { Body } from './body.js';
import type { Author } from '../self/author.js';
import { AgentError } from '../ground/errors.js';
import { loadPeer } from './handshake.js';
import { positionOf } from './heard-positions.js';
import type { Position } from './heard-positions.js';
import type { Peer, Trust } from './peer.js';
import { decodeSessionRow, doubtUnanswered, findSession } from './sessions.js';
import { settle } from './settle.js';
import { loadSkipped } from './skipped-keys.js';
import type { SkippedPart } from './skipped-keys.js';
import type { Settled } from './settle.js';
import { ROW } from '../store/row-keys.js';
import type { StoreTransaction } from '../store/store-transaction.js';
import { assertUsable, isStrangerRefused } from './trust.js';
import type { TrustPolicy } from './trust.js';
import { countUnaided, isExhausted, unaidedSessions } from '../self/unaided-sessions.js';

/** What a message is judged with. */
export interface JudgeContext {
  readonly tx: StoreTransaction;
  /** We: name, keys, store, clock and randomness. */
  readonly me: Author;
  readonly policy: TrustPolicy;
  /** Whether an identity is one of ours, also a former one: none of them is a peer. */
  readonly isOurs: (aid: Uint8Array) => boolean;
  /** Spends one new session of this identity (step 4). */
  readonly mayHandshake: (aid: Uint8Array) => boolean;
  /** Step 6: what this identity's messages may cost in steps over missing ones, and have cost. */
  readonly skips: {
    left(aid: Uint8Array): number;
    spend(aid: Uint8Array, steps: number): void;
    /** How many of its messages are here and wait for room: their keys are needed. */
    waiting(aid: Uint8Array): number;
  };
  /** Step 6: whether another message was received at this position of its session. */
  readonly isTaken: (position: Position) => boolean;
  /** Step 9: the stranger's record as a hub has it, judged and pinned; throws the refusal. */
  readonly introduce: (name: string, aid: Uint8Array) => Promise<Peer>;
  /** Whether this run knows the message at this position and awaits its receipt. */
  readonly isAwaited: (aid: Uint8Array, epoch: number, number: number) => boolean;
}

/** A message as it came in. */
export interface Incoming {
  /** aid of the sender: the hub's claim, or that of a handed envelope. */
  readonly from: Uint8Array;
  /** aid of ours to which it is addressed. */
  readonly to: Uint8Array;
  readonly blob: Uint8Array;
}

/** An authentic message, settled in the transaction. */
export interface Received extends Settled {
  readonly content: Content;
  readonly contentBytes: Uint8Array;
  readonly proof: MessageProof;
  readonly body: Body;
  /** Trust at the moment the message came, and whether it made its sender a peer. */
  readonly trust: Trust;
  readonly isNew: boolean;
  /** The epoch of ours that its numbers and acknowledgements belong to. */
  readonly epoch: number;
  readonly position: Position;
  /** Prekeys that a new session was made with (one-time 0: none); null in a known session. */
  readonly prekeys: UsedPrekeys | null;
}

/** Numbers of prekeys in a first message. */
export interface UsedPrekeys {
  readonly signed: number;
  readonly oneTime: number;
  /** The signed one begins no more sessions by itself: it has to be replaced. */
  readonly isExhausted: boolean;
}

/** Steps 1 to 11 of §2.8. Throws the refusal; the transaction is then to be dropped. */
export async function judge(context: JudgeContext, incoming: Incoming): Promise<Received> {
  const message = parseMessage(incoming.blob); //                                          step 1
  const { session, skipped, known } = await findSender(context, incoming, message); //     step 2
  const opened = await open(context, { incoming, message, session }); //              steps 4 to 8
  const { content, contentBytes, proof } = opened;
  const body = readBody(content); //                                                       step 8
  assertAddressed(content, known, context.me.meta.name);
  const met = known ?? (await context.introduce(content.fromName, incoming.from)); //      step 9
  const { tx, me, policy, isAwaited } = context;
  const peer = body.kind === 'retry' ? withDoubt(met, message, me) : met;
  const before = session;
  const couldBegin = message.prekeyBlock !== null;
  const step = { tx, me, policy, isAwaited, peer, before, skipped, opened, couldBegin, body };
  const settled = await settle(step); //                                          steps 9 to 11
  const judged = { trust: peer.trust, isNew: known === null, epoch: me.meta.numbersSince };
  const told = { content, contentBytes, proof, body, prekeys: await prekeysOf(tx, opened) };
  return { ...settled, ...judged, ...told, position: positionOf(message) };
}

/**
 * A peer that asks again in a session of its own, before it has heard anything in it, cannot read
 * what we began: its store may be a copy from before it showed those prekeys. What a new run has to
 * say first comes before its request.
 */
function withDoubt(peer: Peer, { sid }: ParsedMessage, { meta }: Author): Peer {
  const entry = findSession(peer.sessions, sid);
  const isUnspoken = entry?.ours === false && !entry.heard && entry.epoch === meta.epoch;
  return isUnspoken ? { ...peer, sessions: doubtUnanswered(peer.sessions) } : peer;
}

interface Sender {
  /** The session the message belongs to; null for the first message of a new one. */
  readonly session: CryptoSession | null;
  /** Its skipped keys, as they are stored. */
  readonly skipped: readonly SkippedPart[];
  /** The peer, if it is one already. */
  readonly known: Peer | null;
}

/** Step 2: the sender by session or prekey block, compared with the claim; blocks and policy. */
async function findSender(
  { tx, policy, me, isOurs }: JudgeContext,
  { from }: Incoming,
  { sid, prekeyBlock }: ParsedMessage,
): Promise<Sender> {
  const { session, skipped } = await loadSession(tx, sid);
  if (session === null && prekeyBlock === null) throw new CryptoError('UNKNOWN_SESSION');
  const claimed = prekeyBlock === null ? null : aidOf(prekeyBlock.signing, prekeyBlock.dh);
  const aid = session?.theirs.aid ?? claimed ?? from;
  const isForMe = session === null || equalBytes(session.ours, me.keyPair.identity.aid);
  if (isOurs(aid) || !isForMe || !equalBytes(aid, from)) throw new CryptoError('SENDER_MISMATCH');
  const known = await loadPeer(tx, aid);
  if (known !== null) {
    assertUsable(known);
    if (session === null && !(await mayBegin(tx, known))) throw new AgentError('SUCCEEDED');
  } else if (isStrangerRefused(policy, aid)) {
    throw new AgentError(policy.mode === 'strict' ? 'UNTRUSTED_PEER' : 'NOT_ACCEPTED');
  }
  return { session, skipped, known };
}

/** A session with the keys of its missing messages; null if it does not exist here. */
async function loadSession(
  tx: StoreTransaction,
  sid: Uint8Array,
): Promise<Pick<Sender, 'session' | 'skipped'>> {
  const session = await tx.read(ROW.session(sid), decodeSessionRow);
  if (session === null) return { session: null, skipped: [] };
  const parts = await loadSkipped(tx, sid);
  const keys = parts.flatMap((part) => part.keys);
  // An earlier version kept them in the row of the session.
  return { session: { ...session, skipped: [...session.skipped, ...keys] }, skipped: parts };
}

/** Not once another one has followed it; a crash may have come before that was marked. */
async function mayBegin(
  tx: StoreTransaction,
  { name, identity, succeededBy }: Peer,
): Promise<boolean> {
  if (succeededBy !== null) return false;
  const holder = await tx.get(ROW.name(name));
  return holder === null || equalBytes(holder, identity.aid);
}

interface Found {
  readonly incoming: Incoming;
  readonly message: ParsedMessage;
  readonly session: CryptoSession | null;
}

/** Steps 4 to 8: opens in a known session, or accepts a new one, on values only. */
async function open(context: JudgeContext, found: Found): Promise<Opened | OpenedInitial> {
  const { nowMs, random } = context.me;
  const { incoming, message, session } = found;
  if (session === null) return openFirst(context, found);
  const maxSteps = context.skips.left(incoming.from);
  const keptKeys = LIMITS.skippedKeysPerJump + context.skips.waiting(incoming.from);
  const result = unseal({ session, wire: incoming.blob, nowMs, random, maxSteps, keptKeys });
  if (result.ok) context.skips.spend(incoming.from, result.skippedOver);
  const repeats = !result.ok && result.error.code === 'DUPLICATE';
  // Its header is authentic: its sender has the state of this session too.
  if (repeats && context.isTaken(positionOf(message))) throw new AgentError('CLONE_OR_ROLLBACK');
  return accepted(result);
}

async function prekeysOf(
  tx: StoreTransaction,
  opened: Opened | OpenedInitial,
): Promise<UsedPrekeys | null> {
  if (!('signedPrekeyId' in opened)) return null;
  const { signedPrekeyId: signed, oneTimePrekeyId: oneTime } = opened;
  const unaided = oneTime === 0 ? await countUnaided(tx, signed) : 0;
  return { signed, oneTime, isExhausted: isExhausted(unaided) };
}

function accepted<Result extends Opened>(result: Result | Refused): Result {
  if (!result.ok) throw result.error;
  return result;
}

/** Step 4: the first message of a session that does not exist here yet. */
async function openFirst(
  context: JudgeContext,
  { incoming, message: { sid, prekeyBlock } }: Found,
): Promise<OpenedInitial> {
  const { tx, me, mayHandshake } = context;
  if (prekeyBlock === null) throw new CryptoError('UNKNOWN_SESSION');
  // Before the budget: a replayed first message must not spend its victim's handshakes.
  if ((await tx.get(ROW.usedSession(sid))) !== null) throw new CryptoError('DUPLICATE');
  const { signedPrekeyId, oneTimePrekeyId } = prekeyBlock;
  const signed = await loadPrekey(context, ROW.signedPrekey(signedPrekeyId));
  const oneTime = await loadPrekey(context, ROW.oneTimePrekey(oneTimePrekeyId));
  const isGone = signed === null || (oneTimePrekeyId !== 0 && oneTime === null);
  const isSpent = oneTimePrekeyId === 0 && isExhausted(await unaidedSessions(tx, signedPrekeyId));
  // Neither does what there is nothing to compute for.
  if (isGone || isSpent) throw new CryptoError('UNKNOWN_PREKEY');
  if (!mayHandshake(incoming.from)) throw new AgentError('HANDSHAKE_BUDGET');
  const prekeys = { signed: () => signed, oneTime: () => oneTime };
  const { keyPair, nowMs, random } = me;
  const wire = incoming.blob;
  return accepted(
    unsealInitial({ keyPair, wire, prekeys, isKnownSid: () => false, nowMs, random }),
  );
}

async function loadPrekey({ tx, me }: JudgeContext, key: string): Promise<PrekeyPair | null> {
  const row = await tx.get(key);
  return row === null ? null : decodePrekeyPair(row, me.keyPair.identity);
}

/** Step 8, last check: both names are the pinned ones. */
function assertAddressed(content: Content, known: Peer | null, ourName: string): void {
  const fits = content.toName === ourName && (known === null || content.fromName === known.name);
  if (!fits) throw new AgentError('MISADDRESSED');
}

/** The prekey whose use has to be judged alone: a name for it, or null for no first message. */
export function prekeyNamedIn(blob: Uint8Array): string | null {
  try {
    const { prekeyBlock } = parseMessage(blob);
    if (prekeyBlock === null) return null;
    const { oneTimePrekeyId: oneTime, signedPrekeyId } = prekeyBlock;
    return oneTime === 0 ? ROW.signedPrekey(signedPrekeyId) : ROW.oneTimePrekey(oneTime);
  } catch (error) {
    // What is no message at all is refused by the judgement, which parses it again.
    if (error instanceof CryptoError) return null;
    throw error;
  }
}
