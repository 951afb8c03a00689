/**
 * A sealed message that travels without a hub: in a file, a mail, any channel. Owns its JSON form;
 * both addresses are claims until the message is opened.
 */
import { addressOf, aidOfAddress, AgentMeshError } from '@agentmesh/crypto';
import { fromBase64Url, toBase64Url } from '@agentmesh/protocol';
import { AgentError } from '../ground/errors.js';

/** What `seal` makes and `open` takes. Plain JSON. */
export interface SealedEnvelope {
  readonly v: 2;
  /** `am2…` addresses of sender and recipient. */
  readonly from: string;
  readonly to: string;
  /** The end-to-end message, base64url. */
  readonly blob: string;
}

/** An envelope's bytes. */
export interface EnvelopeBytes {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
  readonly blob: Uint8Array;
}

export function encodeEnvelope({ from, to, blob }: EnvelopeBytes): SealedEnvelope {
  return { v: 2, from: addressOf(from), to: addressOf(to), blob: toBase64Url(blob) };
}

/** Reads an envelope of any origin; throws BAD_ENVELOPE. */
export function decodeEnvelope(value: unknown): EnvelopeBytes {
  if (typeof value !== 'object' || value === null) throw new AgentError('BAD_ENVELOPE');
  const { v, from, to, blob } = value as Partial<Record<keyof SealedEnvelope, unknown>>;
  const isShaped =
    v === 2 && typeof from === 'string' && typeof to === 'string' && typeof blob === 'string';
  if (!isShaped || Object.keys(value).length !== 4) throw new AgentError('BAD_ENVELOPE');
  try {
    return { from: aidOfAddress(from), to: aidOfAddress(to), blob: fromBase64Url(blob) };
  } catch (error) {
    if (error instanceof AgentMeshError) throw new AgentError('BAD_ENVELOPE', undefined, error);
    throw error;
  }
}
