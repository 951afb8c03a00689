/**
 * Methods about peers: who may write, who they are, and invites.
 * Owns their order of calls; what they decide is the agent's.
 */
import type { Hold, MethodWorks } from '../hold.js';
import { controlError } from '../error.js';
import { contactOf, peerOf } from './identity.js';
import { KEEP_MS, keptInTime } from './sending.js';

type ContactMethod = 'contacts' | 'accept' | 'deny' | 'verify' | 'invite' | 'join';

/** contacts, accept, deny, verify, invite, join. */
export function contactMethods({ agent }: Hold): MethodWorks<ContactMethod> {
  const verification = async (peer: string) => {
    const safetyNumber = await agent.safetyNumber(peer);
    const known = (await agent.peers()).find((one) => [one.name, one.address].includes(peer));
    if (known === undefined) throw controlError('BAD_REQUEST', `${peer}: a name or an address`);
    const { name, address, fingerprint, trust } = known;
    return { name, address, fingerprint, trust, safetyNumber };
  };
  return {
    async contacts() {
      const [all, pending] = await Promise.all([agent.contacts.list(), agent.contacts.pending()]);
      const requestOf = (address: string) => pending.find((one) => one.address === address);
      return { contacts: all.map((one) => contactOf(one, requestOf(one.address))) };
    },
    async accept({ peer }) {
      await agent.contacts.accept(peer);
      return {};
    },
    async deny({ peer, block }) {
      await agent.contacts.deny(peer, { block });
      return {};
    },
    async verify({ peer, fingerprint }) {
      if (fingerprint !== undefined) await agent.trust(peer, fingerprint);
      return verification(peer);
    },
    async invite({ uses, expiresMs, token }) {
      return { link: await agent.invite({ uses, expires: expiresMs, token }) };
    },
    async join({ link }, visitor) {
      const giveUp = new AbortController();
      const { signal } = giveUp;
      const joined = await keptInTime(agent.join(link, { signal }), KEEP_MS, giveUp, {
        gone: visitor.gone,
      });
      joined.accepted.catch(() => undefined);
      return peerOf(joined);
    },
  };
}
