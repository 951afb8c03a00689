/**
 * Evidence of a message: its content with the signature of its sender, for somebody who took no
 * part. Owns its JSON form and the reading of what comes from anybody; what is signed is crypto's
 * (protocol.md §2.7).
 */
import {
  addressOf,
  AgentMeshError,
  CONTENT_KIND,
  fingerprintOf,
  LIMITS,
  ready,
  toHex,
  verifyAuthorship,
} from '@agentmesh/crypto';
import type { Authorship, SignedContent } from '@agentmesh/crypto';
import { decodePayload, fromBase64Url, toBase64Url } from '@agentmesh/protocol';
import type { JsonObject, JsonValue } from '@agentmesh/protocol';
import { AgentError } from '../ground/errors.js';
import { readPayload, textOf, typeOf, valueOf } from './payload.js';

/** What `msg.evidence()` gives. Plain JSON; it holds the whole message, readable by anybody. */
export interface Evidence {
  readonly v: 1;
  /** Base64url: both public keys of the sender, and what it signed. */
  readonly keys: string;
  readonly associatedData: string;
  readonly content: string;
  readonly signature: string;
}

/** One side of a message: its name by the sender's word, and its proved identity. */
export interface EvidenceParty {
  readonly name: string;
  readonly address: string;
  readonly fingerprint: string;
}

/** What evidence proves: who wrote what to whom. */
export interface ProvedMessage {
  readonly id: string;
  readonly sender: EvidenceParty;
  readonly recipient: EvidenceParty;
  /** By the sender's clock. */
  readonly timestamp: number;
  readonly replyTo: string | null;
  readonly payload: JsonObject;
  readonly value: JsonValue;
  readonly type: string;
  readonly text: string;
}

/** Whose message it has to be, by address. */
export interface ExpectedParties {
  readonly sender?: string | undefined;
  readonly recipient?: string | undefined;
}

const FIELDS = ['v', 'keys', 'associatedData', 'content', 'signature'];
const KEY_BYTES = 32;
/** Far above every field of a message within its limits. */
const LONGEST = 2 * LIMITS.bodyBytes;

export function encodeEvidence(signed: SignedContent): Evidence {
  const { signing, dh, associatedData, content, signature } = signed;
  const keys = new Uint8Array(2 * KEY_BYTES);
  keys.set(signing);
  keys.set(dh, KEY_BYTES);
  return {
    v: 1,
    keys: toBase64Url(keys),
    associatedData: toBase64Url(associatedData),
    content: toBase64Url(content),
    signature: toBase64Url(signature),
  };
}

/**
 * Checks evidence from anybody, without any network: who wrote what to whom. Rejects with
 * BAD_EVIDENCE, which says what does not fit. It proves that the sender's key has signed the
 * message; whether that key was stolen or revoked, ask elsewhere.
 */
export async function verifyEvidence(
  evidence: Evidence | object,
  expected: ExpectedParties = {},
): Promise<ProvedMessage> {
  await ready();
  const proved = judged(signedIn(evidence));
  const { sender, recipient, content } = proved;
  const { kind, fromName, toName } = content;
  if (kind !== CONTENT_KIND.application) throw bad('it is no message of an application');
  const from = partyOf(fromName, sender.aid);
  const to = partyOf(toName, recipient);
  assertExpected('sender', from, expected.sender);
  assertExpected('recipient', to, expected.recipient);
  const decoded = payloadOf(content.body);
  const { payload, replyTo } = readPayload(decoded);
  return {
    id: toHex(content.msgId),
    sender: from,
    recipient: to,
    timestamp: content.sentAtMs,
    replyTo,
    payload,
    value: valueOf(decoded),
    type: typeOf(payload),
    text: textOf(payload),
  };
}

function signedIn(evidence: unknown): SignedContent {
  if (typeof evidence !== 'object' || evidence === null) throw bad('it is no object');
  const given = evidence as Partial<Record<keyof Evidence, unknown>>;
  if (given.v !== 1) throw bad('its version is not 1');
  const unknown = Object.keys(given).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) throw bad('it has other fields than evidence');
  const keys = bytesOf(given, 'keys');
  if (keys.length !== 2 * KEY_BYTES) throw bad('keys: 64 bytes');
  return {
    signing: keys.slice(0, KEY_BYTES),
    dh: keys.slice(KEY_BYTES),
    associatedData: bytesOf(given, 'associatedData'),
    content: bytesOf(given, 'content'),
    signature: bytesOf(given, 'signature'),
  };
}

function bytesOf(given: Partial<Record<keyof Evidence, unknown>>, field: keyof Evidence) {
  const text = given[field];
  if (typeof text !== 'string' || text.length > LONGEST) throw bad(`${field}: base64url`);
  return refusing(`${field}: base64url`, () => fromBase64Url(text));
}

const REASONS: Readonly<Record<string, string>> = {
  BAD_KEY: 'keys: no public keys of an agent',
  MALFORMED: 'associatedData: not that of a message',
  SENDER_MISMATCH: 'the keys are not those of its sender',
  BAD_SIGNATURE: 'the signature is not of this message',
};

function judged(signed: SignedContent): Authorship {
  try {
    return verifyAuthorship(signed);
  } catch (error) {
    if (!(error instanceof AgentMeshError)) throw error;
    throw bad(REASONS[error.code] ?? 'content: not that of a message', error);
  }
}

function payloadOf(body: Uint8Array): JsonObject {
  return refusing('content: no JSON object', () => decodePayload(body));
}

function refusing<T>(what: string, task: () => T): T {
  try {
    return task();
  } catch (error) {
    if (error instanceof AgentMeshError) throw bad(what, error);
    throw error;
  }
}

function partyOf(name: string, aid: Uint8Array): EvidenceParty {
  return { name, address: addressOf(aid), fingerprint: fingerprintOf(aid) };
}

function assertExpected(side: string, party: EvidenceParty, address: string | undefined): void {
  if (address === undefined || address === party.address) return;
  throw bad(`its ${side} is ${party.address}, not the one expected`);
}

function bad(detail: string, cause?: unknown): AgentError {
  return new AgentError('BAD_EVIDENCE', detail, cause);
}
