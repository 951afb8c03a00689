/**
 * How a peer is named to a hub: by its name there or by its address (protocol.md §2.1).
 * Owns telling the two apart. Does not resolve either; fingerprints are the agent's matter.
 *
 * An address also has the shape of a name. It is always read as an address, and no agent may
 * register such a name: else a stranger could stand where a self-certifying address was meant.
 */
import { aidOfAddress, isAgentName } from '@agentmesh/crypto/verify';

/** A peer as `get_bundle` names it. */
export type PeerReference =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'address'; readonly aid: Uint8Array };

const ADDRESS_SHAPE = /^am2[a-z2-7]{52}$/;

/** Whether a name can be registered on a hub: an agent name that is not shaped like an address. */
export function isRegistrableName(text: unknown): text is string {
  return isAgentName(text) && !ADDRESS_SHAPE.test(text);
}

/** Reads a name or an address; `null` when it is neither. */
export function parsePeer(text: string): PeerReference | null {
  if (isRegistrableName(text)) return { kind: 'name', name: text };
  if (!ADDRESS_SHAPE.test(text)) return null;
  try {
    return { kind: 'address', aid: aidOfAddress(text) };
  } catch {
    // Right characters, but pad bits that are not zero: another spelling of somebody's address.
    return null;
  }
}
