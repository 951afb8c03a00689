/**
 * Methods that say who and how the agent is.
 * Owns their results' shape; looks, changes nothing.
 */
import type { ContactRequest, PeerInfo } from '@agentmesh/agent';
import type { ControlContact, ControlPeer, WhoAmI } from '../api.js';
import type { Hold, MethodWorks } from '../hold.js';

/** whoami, status, peers, names. */
export function identityMethods(hold: Hold): MethodWorks<'whoami' | 'status' | 'peers' | 'names'> {
  const { agent } = hold;
  const whoami = async (): Promise<WhoAmI> => {
    const { connection } = await agent.status();
    const { id: name, address, fingerprint } = agent;
    return { name, address, fingerprint, connection, hubs: hold.hubs };
  };
  return {
    whoami,
    async status() {
      const [who, status] = await Promise.all([whoami(), agent.status()]);
      const { knownPeerCount: peers, activeSessionCount: sessions, outbox, inbox } = status;
      const [pending, calls, letters] = await Promise.all([
        agent.contacts.pending(),
        agent.calls(),
        agent.deadLetters(),
      ]);
      const { version, sinceMs } = hold;
      return {
        ...who,
        peers,
        sessions,
        outbox,
        inbox,
        pendingContacts: pending.length,
        openCalls: calls.filter(({ isOpen }) => isOpen).length,
        deadLetters: letters.length,
        holder: { pid: process.pid, version, sinceMs },
      };
    },
    async peers() {
      return { peers: (await agent.peers()).map(peerOf) };
    },
    async names() {
      return { names: await agent.listPeers() };
    },
  };
}

/** A peer as it is told. */
export function peerOf({
  name,
  address,
  fingerprint,
  trust,
  contested,
  session,
}: PeerInfo): ControlPeer {
  return { name, address, fingerprint, trust, contested, session };
}

/** A contact as it is told; `request` where it waits for a decision. */
export function contactOf(
  contact: PeerInfo & { readonly state: ControlContact['state'] },
  request: ContactRequest | undefined,
): ControlContact {
  const { sinceMs = null, messages = 0, preview = null } = request ?? {};
  return { ...peerOf(contact), state: contact.state, sinceMs, messages, preview };
}
