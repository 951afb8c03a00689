/**
 * The end of an identity by its owner's own revocation (protocol.md §2.13): how the record is
 * written down, and who is told. Owns both; what follows from a revocation is `revocations`'.
 */
import {
  addressOf,
  CONTENT_KIND,
  createRevocation,
  CryptoError,
  equalBytes,
  parseIdentityRecord,
  parseRevocation,
  REVOCATION_REASON,
  verifyRevocation,
} from '@agentmesh/crypto';
import type { PublicIdentity, Revocation } from '@agentmesh/crypto';
import { fromBase64Url, ProtocolError, toBase64Url } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import { loadPeer } from '../conversation/handshake.js';
import type { HubLink } from '../hub/hub-link.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { activeOf, decodePeer } from '../conversation/peer.js';
import type { BundleSource } from '../peers/bundle-source.js';
import type { Revocations } from '../peers/revocations.js';
import type { Sender } from '../sending/sender.js';
import type { Transmitter } from '../sending/transmitter.js';
import { rowsUnder } from '../store/row-pages.js';

/**
 * Our own revocation, base64url: its holder can end this identity, and nothing else. BAD_OPTION.
 */
export function ownRevocation(
  { self, runtime }: AgentContext,
  reason: keyof typeof REVOCATION_REASON,
): string {
  if (!Object.hasOwn(REVOCATION_REASON, reason)) {
    const known = Object.keys(REVOCATION_REASON).join(', ');
    throw new AgentError('BAD_OPTION', `reason: one of ${known}`);
  }
  const about = { timeMs: runtime.now(), reason: REVOCATION_REASON[reason] };
  return toBase64Url(createRevocation(self.keyPair, about));
}

/** Reads a revocation as it was written down; throws BAD_RECORD. */
export function readRevocation(text: unknown): Revocation {
  if (typeof text !== 'string') throw new CryptoError('BAD_RECORD', 'a revocation is a text');
  try {
    return parseRevocation(fromBase64Url(text.trim()));
  } catch (error) {
    throw new CryptoError('BAD_RECORD', 'not a revocation', error);
  }
}

/** What a revocation is honoured with. */
export interface RevokingParts {
  readonly context: AgentContext;
  /** Null without a hub. */
  readonly hub: { readonly link: HubLink } | null;
  readonly bundles: BundleSource;
  readonly revocations: Revocations;
  readonly sender: Sender;
  readonly transmitter: Transmitter;
}

/**
 * Honours a revocation here for ever and hands it to the hub. Of our own identity: peers with whom
 * we speak are told first, and the agent ends. Throws BAD_RECORD when its owner did not sign it,
 * UNKNOWN_PEER when neither we nor the hub know it. Whatever else the hub says, or does not, it is
 * honoured here.
 */
export async function revoke(parts: RevokingParts, revocation: Revocation): Promise<void> {
  const { context, hub, revocations } = parts;
  const identity = await ownerOf(parts, revocation.aid);
  if (!verifyRevocation(revocation, identity)) {
    throw new CryptoError('BAD_RECORD', 'its owner did not sign it');
  }
  if (!equalBytes(identity.aid, context.self.aid)) {
    await revocations.learn(revocation, identity);
    if (hub !== null) await handIn(hub.link, revocation);
    return;
  }
  await tellPeers(parts, revocation);
  try {
    if (hub !== null) await inTime(context, handIn(hub.link, revocation));
  } finally {
    await revocations.learn(revocation, identity);
  }
}

/** Waits a few seconds, then takes the connection for lost. */
async function inTime({ runtime }: AgentContext, task: Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const cancel = runtime.schedule(AGENT_LIMITS.drainMs, () =>
    reject(new ProtocolError('CONNECTION_LOST')),
  );
  await Promise.race([task, late]).finally(cancel);
}

async function handIn(link: HubLink, { bytes }: Revocation): Promise<void> {
  try {
    await link.request((hub) => hub.putRevocation(bytes));
  } catch (error) {
    // Our own end may reach us before the answer does.
    if (!(error instanceof ProtocolError) || error.code !== 'REVOKED') throw error;
  }
}

async function ownerOf(
  { context, bundles }: RevokingParts,
  aid: Uint8Array,
): Promise<PublicIdentity> {
  if (equalBytes(aid, context.self.aid)) return context.self.keyPair.identity;
  const peer = await loadPeer(context.transaction(), aid);
  if (peer !== null) return peer.identity;
  if (!bundles.hasHub) throw new AgentError('UNKNOWN_PEER');
  try {
    const bundle = await bundles.request({ peer: addressOf(aid), oneTime: false });
    return parseIdentityRecord(bundle.record).identity;
  } catch (error) {
    const isUnknown = error instanceof ProtocolError && error.code === 'PEER_NOT_FOUND';
    throw isUnknown ? new AgentError('UNKNOWN_PEER', undefined, error) : error;
  }
}

/** Everybody to whom there is a session; within a few seconds, since the hub comes next. */
async function tellPeers(
  { context, sender, transmitter }: RevokingParts,
  { bytes }: Revocation,
): Promise<void> {
  const draft = { kind: CONTENT_KIND.revocation, body: bytes };
  const told: Promise<void>[] = [];
  for await (const { value } of rowsUnder(context.store, 'peer')) {
    const peer = decodePeer(value);
    if (activeOf(peer, context.self.meta.epoch) === null) continue;
    told.push(sender.tell(peer.identity.aid, () => draft));
  }
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const cancel = context.runtime.schedule(AGENT_LIMITS.drainMs, resolve);
  await Promise.race([Promise.all(told).then(() => transmitter.idle()), late]);
  cancel();
}
