/**
 * The hub's side of mutual authentication (protocol.md §2.15): what `hello` says and proves,
 * whether `auth` is let in, and what `auth_ok` tells. Owns that decision; deadlines and the one
 * attempt per connection are `connection`'s, signatures of what is said later `signed-link`'s.
 */
import {
  commonFeatures,
  FEATURES,
  greet,
  keyDigest,
  negotiateVersion,
  PROTOCOL_LIMITS,
  ProtocolError,
  SUPPORTED_FEATURES,
  SUPPORTED_VERSIONS,
  verifyClientAuth,
} from '@agentmesh/protocol';
import type {
  AuthFrame,
  AuthOkFrame,
  BeginFrame,
  ChannelBinding,
  HelloFrame,
  HubLimits,
  PublicIdentity,
  Spoken,
  StoreTimelines,
} from '@agentmesh/protocol';
import { byteKey } from './byte-key.js';
import type { CoreLimits } from './core-limits.js';
import type { HubContext } from './hub-context.js';
import type { ClaimResult, KeyInventory } from './directory-store.js';
import type { AgentSpending } from './neighbours.js';
import { mayRegister } from './registration.js';

/** An agent that proved who it is and holds its name. */
export interface Admission {
  readonly identity: PublicIdentity;
  readonly name: string;
  /** Which opening of its store this is. */
  readonly opening: string;
  /** A successor holds the name: this identity may only receive. */
  readonly retired: boolean;
  /** It holds its name only while it is connected. */
  readonly isTransient: boolean;
  readonly connection: number;
  readonly spent: AgentSpending | null;
  /** What both sides can do beyond their common version. */
  readonly features: readonly string[];
  readonly reply: Omit<AuthOkFrame, 'signature'>;
}

/** What {@link admit} judges. */
export interface AdmissionRequest {
  readonly frame: AuthFrame;
  readonly greeted: GreetedClient;
  readonly nowMs: number;
  readonly channelBinding: ChannelBinding;
}

/** What is known of a client that the hub has greeted: nothing but its nonce and what it can do. */
export interface GreetedClient {
  readonly clientNonce: Uint8Array;
  readonly serverNonce: Uint8Array;
  /** When the hub's nonce was sent, in steady time. */
  readonly nonceIssuedMs: number;
  /** What both sides can do beyond their common version. */
  readonly features: readonly string[];
}

/** The answer to `begin`, and the transcript of the connection from then on; throws VERSION. */
export function welcome(
  hub: HubContext,
  begin: Spoken<BeginFrame>,
  channelBinding: ChannelBinding,
): { readonly hello: HelloFrame; readonly transcript: Uint8Array; readonly client: GreetedClient } {
  const { versions, features, clientNonce } = begin.frame;
  const version = negotiateVersion(versions);
  if (version === null) throw noCommonVersion(versions);
  const serverNonce = hub.host.random(32);
  const hello: Omit<HelloFrame, 'proof'> = {
    type: 'hello',
    version,
    features: [...SUPPORTED_FEATURES],
    hubKey: hub.hubKey.publicKey,
    serverNonce,
    time: hub.host.clock(),
    limits: announced(hub.limits),
  };
  const { frame, transcript } = greet({ hubKey: hub.hubKey, begin, hello, channelBinding });
  const nonceIssuedMs = hub.steady.now();
  const client = { clientNonce, serverNonce, nonceIssuedMs, features: commonFeatures(features) };
  return { hello: frame, transcript, client };
}

function noCommonVersion(offered: readonly number[]): ProtocolError {
  const [ours, theirs] = [SUPPORTED_VERSIONS.join(', '), offered.join(', ')];
  return new ProtocolError('VERSION', {
    message:
      `This hub speaks protocol version ${ours}, the client ${theirs}: ` + 'upgrade the older side',
  });
}

/** What clients need to stay within the limits by themselves. */
function announced(limits: CoreLimits): HubLimits {
  const { blobBytes, inFlight, signedPrekeys, oneTimePrekeys } = limits;
  return {
    blobBytes,
    ttlSeconds: limits.maxTtlSeconds,
    inFlight,
    signedPrekeys,
    oneTimePrekeys,
    perSecond: limits.sendsPerSecond,
    burst: limits.sendBurst,
    bytesPerSecond: limits.sendBytesPerSecond,
    requestsPerSecond: limits.requestsPerSecond,
    requestBurst: limits.requestBurst,
    pending: limits.pendingRequests,
  };
}

/**
 * Verifies the client, binds or compares its name, and records its store opening. Rejects with
 * BAD_AUTH, TIMEOUT, BLOCKED, IN_USE, REVOKED, NAME_TAKEN or REGISTRATION_REFUSED; then nothing
 * changed.
 * Whoever may not register does not learn whether the name is free.
 */
export async function admit(hub: HubContext, request: AdmissionRequest): Promise<Admission> {
  const { frame, greeted, nowMs, channelBinding } = request;
  const hubKey = hub.hubKey.publicKey;
  const verified = verifyClientAuth({ frame, ...greeted, hubKey, nowMs, channelBinding });
  if (!verified.ok) throw verified.error;
  const { name, identity, instance, boot, isTransient } = verified.value;
  const { aid } = identity;
  if (hub.isBlocked(aid)) throw new ProtocolError('BLOCKED');
  const opening = `${byteKey(instance)} ${boot}`;
  const waitMs = hub.duels.waitMs(byteKey(aid), opening, hub.host.clock());
  if (waitMs > 0) throw new ProtocolError('IN_USE', { retryAfterMs: waitMs });
  const may = mayRegister(hub.registration, { name, aid, token: frame.token });
  await hub.presence.settled(name);
  const claim = await hub.store.claim({
    name,
    aid,
    opening: { instance, boot },
    mayRegister: may,
    isTransient,
    nowMs: hub.host.clock(),
    retiredMs: hub.limits.retiredMs,
  });
  if (claim.status === 'name_taken' && !may) throw claimRefusal('not_registered');
  if (claim.status !== 'ok') throw claimRefusal(claim.status);
  if (claim.forgotten !== null) hub.presence.forgotten([claim.forgotten]);
  const keys = await hub.store.keys(aid);
  const queued = await hub.store.queued(aid);
  const isTold = greeted.features.includes(FEATURES.timelines);
  const reply: Admission['reply'] = {
    type: 'auth_ok',
    re: frame.id,
    lastInstance: claim.lastOpening?.instance ?? null,
    lastBoot: claim.lastOpening?.boot ?? null,
    ...keyStateOf(keys),
    queued,
    ...(isTold ? historyOf(await hub.store.history()) : {}),
  };
  const { retired, connection, spent } = claim;
  const held = { retired, isTransient: claim.isTransient, connection, spent };
  return { identity, name, opening, ...held, features: greeted.features, reply };
}

/** As `auth_ok` tells it. */
function historyOf({ store, timelines }: StoreTimelines): Pick<AuthOkFrame, 'store' | 'timelines'> {
  return { store, timelines: timelines.slice(0, PROTOCOL_LIMITS.timelines) };
}

/** What `auth_ok` and `ok` say of the stored prekeys (protocol.md §2.2). */
export function keyStateOf({ newestSigned, oneTimeIds }: KeyInventory): {
  oneTimePrekeys: number;
  keyDigest: Uint8Array | null;
} {
  return {
    oneTimePrekeys: oneTimeIds.length,
    keyDigest: newestSigned === null ? null : keyDigest(newestSigned, oneTimeIds),
  };
}

/** The answer to a refused claim. */
export function claimRefusal(status: Exclude<ClaimResult['status'], 'ok'>): ProtocolError {
  switch (status) {
    case 'revoked':
      return new ProtocolError('REVOKED');
    case 'name_taken':
      return new ProtocolError('NAME_TAKEN');
    case 'other_name':
      return new ProtocolError('REGISTRATION_REFUSED', {
        detail: 'this identity already has another name on this hub',
      });
    case 'not_registered':
      return new ProtocolError('REGISTRATION_REFUSED');
  }
}
