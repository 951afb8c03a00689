/**
 * The hub's side of mutual authentication (protocol.md §2.15): what `hello` says, whether `auth` is
 * let in, and what `auth_ok` proves. Owns that decision; deadlines and the one attempt per
 * connection are `connection`'s.
 */
import {
  keyDigest,
  ProtocolError,
  SUPPORTED_VERSIONS,
  verifyClientAuth,
} from '@agentmesh/protocol';
import type {
  AuthFrame,
  AuthOkFrame,
  ChannelBinding,
  HelloFrame,
  PublicIdentity,
} from '@agentmesh/protocol';
import type { HubContext } from './hub-context.js';
import type { ClaimResult, KeyInventory } from './hub-store.js';
import type { AgentSpending } from './neighbours.js';
import { mayRegister } from './registration.js';

/** An agent that proved who it is and holds its name. */
export interface Admission {
  readonly identity: PublicIdentity;
  readonly name: string;
  /** A successor holds the name: this identity may only receive. */
  readonly retired: boolean;
  readonly connection: number;
  readonly spent: AgentSpending | null;
  readonly reply: AuthOkFrame;
}

/** What {@link admit} judges. */
export interface AdmissionRequest {
  readonly frame: AuthFrame;
  /** Of this connection's `hello`. */
  readonly serverNonce: Uint8Array;
  readonly nonceIssuedMs: number;
  readonly nowMs: number;
  readonly channelBinding: ChannelBinding;
}

/** The greeting of a fresh connection. */
export function helloOf(hub: HubContext, serverNonce: Uint8Array): HelloFrame {
  const { blobBytes, maxTtlSeconds, inFlight, signedPrekeys, oneTimePrekeys } = hub.limits;
  return {
    type: 'hello',
    versions: [...SUPPORTED_VERSIONS],
    hubKey: hub.hubKey.publicKey,
    serverNonce,
    time: hub.host.clock(),
    limits: { blobBytes, ttlSeconds: maxTtlSeconds, inFlight, signedPrekeys, oneTimePrekeys },
  };
}

/**
 * Verifies the client, binds or compares its name, records its store opening, and signs the hub's
 * side. Rejects with BAD_AUTH, BLOCKED, REVOKED, NAME_TAKEN or REGISTRATION_REFUSED; then nothing
 * changed.
 */
export async function admit(hub: HubContext, request: AdmissionRequest): Promise<Admission> {
  const verified = verifyClientAuth({ ...request, hubKey: hub.hubKey.publicKey });
  if (!verified.ok) throw verified.error;
  const { name, identity, instance, boot, answer } = verified.value;
  const { aid } = identity;
  if (hub.isBlocked(aid)) throw new ProtocolError('BLOCKED');
  const claim = await hub.store.claim({
    name,
    aid,
    opening: { instance, boot },
    mayRegister: mayRegister(hub.registration, { name, aid, token: request.frame.token }),
    nowMs: hub.host.clock(),
    retiredMs: hub.limits.retiredMs,
  });
  if (claim.status !== 'ok') throw claimRefusal(claim.status);
  const keys = await hub.store.keys(aid);
  const queued = await hub.store.queued(aid);
  const reply: AuthOkFrame = {
    type: 'auth_ok',
    re: request.frame.id,
    signature: hub.hubKey.sign(answer),
    lastInstance: claim.lastOpening?.instance ?? null,
    lastBoot: claim.lastOpening?.boot ?? null,
    ...keyStateOf(keys),
    queued,
  };
  const { retired, connection, spent } = claim;
  return { identity, name, retired, connection, spent, reply };
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
