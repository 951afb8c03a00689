/**
 * A bundle as JSON: what an agent hands to a peer without a hub (protocol.md §2.1), the same fields
 * that a hub serves. Owns the conversion; whether a bundle can be trusted is crypto's judgement.
 */
import type { Bundle } from '@agentmesh/crypto/verify';
import { ProtocolError } from './errors.js';
import { identityRecord, prekeyRecord, revocationRecord } from './fields.js';
import { safeEncode, strictObject } from './schema.js';
import type { Fault } from './schema.js';

/** A bundle in a file or a mail: base64url texts. */
export interface BundleJson {
  readonly record: string;
  /** Missing when the identity begins no more sessions: it was revoked, or has a successor. */
  readonly signed?: string | undefined;
  readonly oneTime?: string | undefined;
  readonly revocation?: string | undefined;
}

const bundleJson = strictObject({
  record: identityRecord,
  signed: prekeyRecord.optional(),
  oneTime: prekeyRecord.optional(),
  revocation: revocationRecord.optional(),
});

/** JSON form of a bundle; throws BAD_BUNDLE when a part has an impossible length. */
export function encodeBundle(bundle: Bundle): BundleJson {
  const { record, signed, oneTime, revocation } = bundle;
  const result = safeEncode(bundleJson, {
    record,
    ...(signed === undefined ? {} : { signed }),
    ...(oneTime === undefined ? {} : { oneTime }),
    ...(revocation === undefined ? {} : { revocation }),
  });
  if (!result.success) throw refusal(result.fault);
  return result.data as BundleJson;
}

/** Bytes of a bundle, unverified; throws BAD_BUNDLE for anything but its exact JSON form. */
export function decodeBundle(value: unknown): Bundle {
  const result = bundleJson.safeParse(value);
  if (!result.success) throw refusal(result.fault);
  return result.data;
}

function refusal({ path }: Fault): ProtocolError {
  return new ProtocolError('BAD_BUNDLE', { detail: path.join('.') || 'bundle' });
}
