/**
 * A pinned peer that came back with other keys: the hub knows the identity before no more, and what
 * is sent to it is refused. Owns finding out that this is why.
 */
import { AgentMeshError, equalBytes } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { loadPeer } from '../conversation/handshake.js';
import { IdentityChangedError, StorageError } from '../ground/errors.js';
import type { Introductions } from './introductions.js';

interface Known {
  readonly context: AgentContext;
  readonly introductions: Introductions;
}

/** What is told of a message that the hub refused for good: IDENTITY_CHANGED where that is why. */
export async function refusalFor(
  known: Known,
  aid: Uint8Array,
  refusal: AgentMeshError,
): Promise<AgentMeshError> {
  if (refusal.code !== 'UNKNOWN_RECIPIENT') return refusal;
  return (await replacementOf(known, aid)) ?? refusal;
}

/**
 * The change, if the peer's name shows another identity that does not rightly follow: the peer is
 * then blocked until somebody decides. Null where none is shown, or the hub cannot be asked now.
 */
async function replacementOf(
  { context, introductions }: Known,
  aid: Uint8Array,
): Promise<IdentityChangedError | null> {
  const peer = await loadPeer(context.transaction(), aid);
  if (peer === null) return null;
  try {
    const { identity } = await introductions.askForRecord(peer.name);
    if (equalBytes(identity.aid, aid)) return null;
    const change = new IdentityChangedError(peer.name, aid, identity.aid);
    return (await introductions.decide(change)) === null ? change : null;
  } catch (error) {
    if (error instanceof StorageError || !(error instanceof AgentMeshError)) throw error;
    return null;
  }
}
