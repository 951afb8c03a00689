/**
 * A pinned peer that came back with other keys: the hub knows the identity before no more, and what
 * is sent to it is refused. Owns finding out that this is why.
 */
import { AgentMeshError, equalBytes, fingerprintOf } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { loadPeer } from '../conversation/handshake.js';
import type { Peer } from '../conversation/peer.js';
import { IdentityChangedError, StorageError } from '../ground/errors.js';
import { identityChanged } from '../conversation/trust.js';
import type { Introductions } from './introductions.js';

interface Known {
  readonly context: AgentContext;
  readonly introductions: Introductions;
}

/**
 * What is told of a message that the hub refused for good: IDENTITY_CHANGED where that is why. A
 * retryable error says that it is not for good.
 */
export async function refusalFor(
  known: Known,
  aid: Uint8Array,
  refusal: AgentMeshError,
): Promise<AgentMeshError> {
  if (refusal.code !== 'UNKNOWN_RECIPIENT') return refusal;
  const peer = await loadPeer(known.context.transaction(), aid);
  return peer === null ? refusal : ((await replacementOf(known, peer)) ?? refusal);
}

/**
 * The change, if the peer's name shows another identity that does not rightly follow: the peer is
 * then blocked until somebody decides. Null where the hub cannot be asked now.
 */
async function replacementOf({ introductions }: Known, peer: Peer): Promise<AgentMeshError | null> {
  const { aid } = peer.identity;
  try {
    const { identity } = await introductions.askForRecord(peer.name);
    if (equalBytes(identity.aid, aid)) return null;
    const change = identityChanged(peer, identity.aid);
    if (!(change instanceof IdentityChangedError)) return change;
    return (await introductions.decide(change)) === null ? change : null;
  } catch (error) {
    if (error instanceof StorageError || !(error instanceof AgentMeshError)) throw error;
    return error.code === 'NO_PREKEYS' ? gone(peer) : null;
  }
}

/** The name is nobody's. */
function gone({ name, identity }: Peer): ProtocolError {
  const message =
    `The hub does not know '${name}' (${fingerprintOf(identity.aid)}) any more: an agent that ` +
    'keeps no keys is forgotten once it has left. Start it again, best with keypairPath';
  return new ProtocolError('UNKNOWN_RECIPIENT', { message });
}
