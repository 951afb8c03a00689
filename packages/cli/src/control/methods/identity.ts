/**
 * Methods about the agent itself: who and how it is, and changes of its identity.
 * Owns their results' shape; what they change is the agent's.
 */
import type { ContactRequest, PeerInfo } from '@agentmesh/agent';
import type { ControlContact, ControlPeer, WhoAmI } from '../api.js';
import { controlError } from '../error.js';
import { within } from '../hold.js';
import type { Hold, MethodWorks } from '../hold.js';

/** How long the hub may take to list the names on it. */
const NAMES_MS = 10_000;

type IdentityMethod =
  | 'handover'
  | 'whoami'
  | 'status'
  | 'peers'
  | 'names'
  | 'outbox'
  | 'rotate'
  | 'revocation'
  | 'revoke';

/** handover, whoami, status, peers, names, outbox, rotate, revocation, revoke. */
export function identityMethods(hold: Hold): MethodWorks<IdentityMethod> {
  const { agent } = hold;
  const whoami = async (): Promise<WhoAmI> => {
    const { connection } = await agent.status();
    const { id: name, address, fingerprint } = agent;
    return { name, address, fingerprint, connection, hubs: hold.hubs };
  };
  return {
    async handover() {
      hold.handOver?.();
      return { given: hold.handOver !== null };
    },
    whoami,
    async status() {
      const [who, status] = await Promise.all([whoami(), agent.status()]);
      const { knownPeerCount: peers, activeSessionCount: sessions, outbox, inbox } = status;
      const [known, pending, calls, letters] = await Promise.all([
        agent.peers(),
        agent.contacts.pending(),
        agent.calls(),
        agent.deadLetters(),
      ]);
      const { hubAheadMs, oneTimePrekeys } = status;
      const { version, sinceMs } = hold;
      return {
        ...who,
        peers,
        sessions,
        outbox,
        inbox,
        pendingContacts: pending.length,
        contested: known.filter(({ contested }) => contested).map(({ name }) => name),
        openCalls: calls.filter(({ isOpen }) => isOpen).length,
        deadLetters: letters.length,
        hubAheadMs,
        oneTimePrekeys,
        holder: { pid: process.pid, version, sinceMs },
      };
    },
    async peers() {
      return { peers: (await agent.peers()).map(peerOf) };
    },
    async outbox() {
      return { waiting: (await agent.status()).waiting };
    },
    async rotate({ giveUpUnsent }) {
      await agent.rotateIdentity(undefined, { giveUpUnsent });
      const { address, fingerprint } = agent;
      return { address, fingerprint };
    },
    async revocation() {
      return { revocation: agent.revocation() };
    },
    async revoke({ revocation }) {
      await agent.revoke(revocation);
      return {};
    },
    async names(_params, visitor) {
      const listed = await within(agent.listPeers(), NAMES_MS, visitor.signal);
      if (listed === null) throw controlError('HUB_AWAY', hold.hubs.join(', '));
      return { names: listed.value };
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
