/**
 * The verbs about public keys and names (hub.md §2): what may be published by whom, and what is
 * handed out. Owns the judgement; storing is the store's, shapes and signatures the protocol's.
 * Every function answers with a frame or throws the `ProtocolError` to answer with.
 */
import {
  hubIdOf,
  parsePeer,
  peerNotFound,
  ProtocolError,
  verifyPublishedPrekeys,
  verifyPublishedRecord,
} from '@agentmesh/protocol';
import type {
  AgentsFrame,
  Bundle,
  BundleFrame,
  GetBundleFrame,
  ListFrame,
  OkFrame,
  PrekeyUpload,
  PublicIdentity,
  PutIdentityFrame,
  PutPrekeysFrame,
} from '@agentmesh/protocol';
import { keyStateOf } from './authentication.js';
import { byteKey } from './byte-key.js';
import type { CoreLimits } from './core-limits.js';
import type { HubContext } from './hub-context.js';
import type {
  KeyInventory,
  PutIdentityResult,
  PutPrekeysResult,
  StoredBundle,
} from './directory-store.js';
import type { LiveSession } from './roster.js';

/** Names in a page where nothing else was asked for. */
export const DEFAULT_PAGE = 100;

/**
 * Stores the caller's own record, or that of the successor which the caller itself signed. Who is
 * retired may repeat the succession that retired it: it may have missed the answer.
 */
export async function putIdentity(
  hub: HubContext,
  session: LiveSession,
  frame: PutIdentityFrame,
): Promise<OkFrame> {
  const { identity: owner, name } = session;
  const nowMs = hub.host.clock();
  const hubId = hubIdOf(hub.hubKey.publicKey);
  // What is stored already is compared by the store, in the transaction that replaces it.
  const stored = null;
  const publication = { record: frame.record, owner, name, hubId, nowMs, stored };
  const verified = verifyPublishedRecord(publication);
  if (!verified.ok) throw verified.error;
  const { record, change } = verified.value;
  const { identity, revision, bytes } = record;
  const subject = identity.aid;
  const update = { owner: owner.aid, subject, name, revision, record: bytes, nowMs };
  const result = await hub.store.putIdentity(update);
  if (result !== 'stored') throw recordRefusal(result);
  if (change === 'successor') session.retire();
  return { type: 'ok', re: frame.id, ...keyStateOf(await hub.store.keys(owner.aid)) };
}

function recordRefusal(result: Exclude<PutIdentityResult, 'stored'>): ProtocolError {
  if (result === 'not_owner') return new ProtocolError('NOT_OWNER');
  if (result === 'revoked') return new ProtocolError('REVOKED');
  return new ProtocolError('BAD_RECORD', { detail: 'revision is not newer' });
}

/** Stores prekeys that the caller signed. */
export async function putPrekeys(
  hub: HubContext,
  session: LiveSession,
  frame: PutPrekeysFrame,
): Promise<OkFrame> {
  if (session.retired) throw new ProtocolError('NOT_OWNER');
  const result = await storePrekeys(hub, session.identity, frame);
  return { type: 'ok', re: frame.id, ...keyStateOf(result) };
}

/** Verifies and stores prekeys; merging with those stored is the store's, in one transaction. */
async function storePrekeys(
  hub: Pick<HubContext, 'store' | 'host' | 'limits'>,
  owner: PublicIdentity,
  upload: PrekeyUpload,
): Promise<KeyInventory> {
  const { signed, oneTime, replaceAll = false } = upload;
  const verified = verifyPublishedPrekeys({
    signed,
    oneTime,
    replaceAll,
    owner,
    nowMs: hub.host.clock(),
    stored: { signed: [], oneTimeIds: [] },
    limits: hub.limits,
  });
  if (!verified.ok) throw verified.error;
  const result = await hub.store.putPrekeys({
    aid: owner.aid,
    signed: verified.value.signed,
    oneTime: verified.value.oneTime,
    replaceAll,
    keepSigned: hub.limits.signedPrekeys,
    maxOneTime: hub.limits.oneTimePrekeys,
  });
  return storedKeys(result, hub.limits);
}

/** The inventory after storing, or the refusal of the whole request. */
function storedKeys(
  result: PutPrekeysResult,
  limits: Pick<CoreLimits, 'oneTimePrekeys'>,
): KeyInventory {
  switch (result.status) {
    case 'ok':
      return result.keys;
    case 'limit':
      throw new ProtocolError('LIMIT', {
        detail: `at most ${limits.oneTimePrekeys} one-time prekeys are stored`,
      });
    case 'revoked':
      throw new ProtocolError('REVOKED');
    case 'conflict':
      throw new ProtocolError('BAD_PREKEY', { detail: 'an id belongs to other keys already' });
  }
}

/**
 * A peer's record and prekeys; of one that was succeeded or revoked the record alone, as proof of
 * who it was. A one-time prekey is handed out only within the fetch limits of requester, target and
 * pair; beyond them the bundle comes without one.
 */
export async function getBundle(
  hub: HubContext,
  session: LiveSession,
  frame: GetBundleFrame,
): Promise<BundleFrame> {
  const peer = parsePeer(frame.peer);
  const aid = peer?.kind === 'name' ? await hub.store.aidOfName(peer.name) : peer?.aid;
  if (aid === undefined || aid === null) throw peerNotFound(frame.peer);
  const oneTime = frame.oneTime && mayTakeOneTime(hub, session.key, byteKey(aid));
  if (oneTime) hub.neighbourhood.fetched(session.identity.aid, aid);
  const bundle = await hub.store.takeBundle({ aid, oneTime, nowMs: hub.host.clock() });
  if (bundle === null || !isServed(bundle)) throw peerNotFound(frame.peer);
  return { type: 'bundle', re: frame.id, ...bundleOf(bundle) };
}

/** Whether a bundle may be shown: who has published no prekeys yet is not there yet. */
export function isServed({ signed, revocation, retired }: StoredBundle): boolean {
  return signed !== null || revocation !== null || retired;
}

/** What the store holds of an agent, as a bundle. */
export function bundleOf({ record, signed, oneTime, revocation }: StoredBundle): Bundle {
  return {
    record,
    ...(signed === null ? {} : { signed }),
    ...(oneTime === null ? {} : { oneTime }),
    ...(revocation === null ? {} : { revocation }),
  };
}

/** One page of names. */
export async function list(hub: HubContext, frame: ListFrame): Promise<AgentsFrame> {
  const max = Math.min(frame.max ?? DEFAULT_PAGE, hub.limits.listNames);
  const query = { prefix: frame.prefix ?? '', after: frame.cursor ?? '', max };
  const names = await hub.store.names(query);
  const next = names.length < max ? null : (names.at(-1) ?? null);
  return { type: 'agents', re: frame.id, names: [...names], next };
}

function mayTakeOneTime(hub: HubContext, requester: string, target: string): boolean {
  const nowMs = hub.steady.now();
  const { bundlesOfRequester, bundlesOfTarget, bundlesOfPair } = hub.rates;
  const buckets = [
    [bundlesOfRequester, requester],
    [bundlesOfTarget, target],
    [bundlesOfPair, requester + target],
  ] as const;
  if (buckets.some(([bucket, key]) => bucket.waitMs(key, 1, nowMs) > 0)) return false;
  for (const [bucket, key] of buckets) bucket.spend(key, 1, nowMs);
  return true;
}
