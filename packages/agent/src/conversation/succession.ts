/**
 * Whether an identity rightly follows another one (protocol.md §2.13): every link of the chain of
 * records is signed by the identity before it. Owns the judgement; the caller
 * requests the records, and what a hub serves is never more than a claim.
 */
import { equalBytes, verifySuccessor } from '@agentmesh/crypto';
import type { IdentityRecord, PublicIdentity } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';

/** The record of an identity as its hub has it, whole and signed by it; null if there is none. */
export type RecordOf = (aid: Uint8Array) => Promise<IdentityRecord | null>;

/**
 * Whether the owner of this record follows that identity, over at most
 * {@link AGENT_LIMITS.successionLinks} links. All links carry one name.
 */
export async function isSuccessor(
  record: IdentityRecord,
  of: PublicIdentity,
  recordOf: RecordOf,
): Promise<boolean> {
  let link = record;
  for (let links = 1; links <= AGENT_LIMITS.successionLinks; links++) {
    if (link.previousAid === null) return false;
    if (equalBytes(link.previousAid, of.aid)) return verifySuccessor(link, of);
    const previous = await recordOf(link.previousAid);
    if (previous === null || previous.name !== record.name) return false;
    if (!verifySuccessor(link, previous.identity)) return false;
    link = previous;
  }
  return false;
}
