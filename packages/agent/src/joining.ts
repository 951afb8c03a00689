/**
 * `agent.invite` and `agent.join`: one line that leads two agents to each other, with nothing to
 * compare (protocol.md §2.20). Owns the public calls' checks and their order; the uses of an invite
 * are `receiving/invites`'.
 */
import { addressOf, equalBytes, inviteId, inviteMac, toHex } from '@agentmesh/crypto';
import { decodeInvite } from '@agentmesh/protocol';
import type { Invite } from '@agentmesh/protocol';
import { parseReference } from './conversation/trust.js';
import type { Engine } from './engine/engine.js';
import { send } from './engine/posting.js';
import { knownPeer } from './engine/status.js';
import type { PeerInfo } from './engine/status.js';
import { durationMs } from './ground/duration.js';
import type { Duration } from './ground/duration.js';
import { AgentError } from './ground/errors.js';
import type { SendOptions } from './message/message.js';
import { inviteBody } from './message/payload.js';
import { patienceOf } from './sending/patience.js';
import type { Patience } from './sending/patience.js';
import { ROW } from './store/row-keys.js';

const MOST_USES = 10_000;
const DEFAULT_EXPIRY = '1d';

/** How an invite is made. */
export interface InviteOptions {
  /** How many agents may join with it (default 1). */
  readonly uses?: number | undefined;
  /** How long it can be used (default `1d`). */
  readonly expires?: Duration | undefined;
  /** Registration token of the hub to put into the link, if the hub asks for one. */
  readonly token?: string | undefined;
  /** Addresses of the hub for the link (default: those that this agent's hub has). */
  readonly hubs?: readonly string[] | undefined;
}

/** How long `join` may take: `signal` and `timeout` of `send`. */
export type JoinOptions = Pick<SendOptions, 'signal' | 'timeout'>;

/** What `join` resolves with: the peer, verified, and what became of the invite. */
export interface Joined extends PeerInfo {
  /**
   * Fulfilled when the peer says that it has let us in. Rejects with REFUSED where the invite is
   * used up, expired or revoked. Need not be awaited.
   */
  readonly accepted: Promise<void>;
}

/** Makes an invite and gives its link. BAD_OPTION, NO_HUB, BACKPRESSURE. */
export async function makeInvite(engine: Engine, options: InviteOptions = {}): Promise<string> {
  const { context, hub, invites } = engine;
  context.assertRunning();
  if (Object(options) !== options) throw new AgentError('BAD_OPTION', 'options: an object');
  const { uses = 1, expires = DEFAULT_EXPIRY, token = null } = options;
  if (!Number.isInteger(uses) || uses < 1 || uses > MOST_USES) {
    throw new AgentError('BAD_OPTION', `uses: a whole number from 1 to ${MOST_USES}`);
  }
  const { mode, acceptFrom } = context.policy;
  if (mode === 'strict' || (acceptFrom !== 'anyone' && acceptFrom !== 'ask')) {
    throw new AgentError('BAD_OPTION', "invite: needs trust: 'tofu' and acceptFrom: 'ask'");
  }
  if (hub === null) throw new AgentError('NO_HUB');
  const expiresMs = context.runtime.now() + durationMs(expires, 'expires');
  const hubs = options.hubs ?? hub.addresses;
  const { link } = await invites.create({ uses, expiresMs, token, hubs });
  return link;
}

/**
 * Joins with a link: its agent is a verified peer, and is shown the proof. BAD_INVITE,
 * INVITE_EXPIRED, INVITE_OTHER_HUB, and what `send` rejects with: then nothing was sent.
 */
export async function joinWith(
  engine: Engine,
  link: string,
  options: JoinOptions = {},
): Promise<Joined> {
  engine.context.assertRunning();
  const invite = await checkedInvite(engine, link);
  const patience = patienceOf(options, engine.context.runtime);
  try {
    return await join(engine, invite, patience);
  } finally {
    patience.end();
  }
}

async function join(engine: Engine, invite: Invite, patience: Patience): Promise<Joined> {
  const { context, contacts, introductions } = engine;
  const { aid, name, secret } = invite;
  // The address proves its keys: a hub that serves another record is refused here.
  const to = await patience.until(introductions.resolve(parseReference(addressOf(aid))));
  const peer = await introductions.find(parseReference(addressOf(aid)));
  if (peer === null || peer.name !== name) {
    throw new AgentError('BAD_INVITE', `its agent is not called '${name}' any more`);
  }
  await introductions.verifiedBy(to, 'invite');
  await contacts.writtenTo(to);
  const mac = inviteMac(secret, { inviter: aid, joiner: context.self.aid });
  const body = inviteBody(toHex(inviteId(secret)), mac);
  const { handled } = await send(engine, to, body, { options: {}, patience });
  return { ...(await knownPeer(context, to)), accepted: handled };
}

async function checkedInvite({ context, hub }: Engine, link: string): Promise<Invite> {
  const invite = decodeInvite(link);
  if (invite === null) throw new AgentError('BAD_INVITE');
  if (equalBytes(invite.aid, context.self.aid)) {
    throw new AgentError('BAD_INVITE', 'this agent made it: paste it where the other agent is');
  }
  const nowMs = context.runtime.now();
  if (invite.expiresMs <= nowMs) {
    const expired = new AgentError('INVITE_EXPIRED');
    // By the hub's clock it may be good still: then ours is to blame.
    const isOver = invite.expiresMs <= context.hubClock.toHub(nowMs);
    throw isOver ? expired : context.hubClock.blamed(expired);
  }
  if (hub === null) throw new AgentError('NO_HUB');
  const hubKey = await context.store.get(ROW.hub);
  if (hubKey === null || !equalBytes(hubKey, invite.hubKey)) {
    const where = invite.hubs.length === 0 ? '' : `connect to ${invite.hubs.join(' or ')}`;
    throw new AgentError('INVITE_OTHER_HUB', where);
  }
  return invite;
}
