/**
 * How a refusal of the cryptographic layer becomes one of this layer. Owns the mapping: a key or
 * record that crypto refuses is bad input; anything else is a fault of this process and passes on.
 */
import { CryptoError } from '@agentmesh/crypto/verify';
import { ProtocolError } from './errors.js';
import type { ErrorCode } from './errors.js';

/** The refusal with `code`; throws on what is no refusal, such as NOT_READY. */
export function refusalOf(error: unknown, code: ErrorCode): ProtocolError {
  if (!(error instanceof CryptoError) || error.code === 'NOT_READY') throw error;
  return new ProtocolError(code, { detail: error.code, cause: error });
}
