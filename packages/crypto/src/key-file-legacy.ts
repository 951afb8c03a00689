/**
 * The two-key file of the Python package: `identity_private` and `exchange_private`, base64url of
 * raw 32-byte keys, padded or not. Owns reading it; it is never written nor changed.
 *
 * Fields beside the two (`agent_id`, public keys) are tolerated and not looked at, since versions
 * of that package differ in them. The file has no checksum: damage to a key that is still base64url
 * gives another identity, which only a new key file can prevent.
 */
import { hkdfSha256 } from '#symmetric';
import { concatBytes, label, wipe } from './bytes.js';
import { AgentKeyPair } from './key-pair.js';
import { fromText, malformed, parseObject } from './key-file.js';
import type { StoredKeys } from './key-file.js';
import { Secret } from './secret.js';

/** Strings of a JSON text, and whether a colon follows: those are the keys of its objects. */
const JSON_STRINGS = /("(?:[^"\\]|\\.)*")(\s*:)?/g;

/** Reads the same two keys; the store key is derived from both. KEY_FILE_MALFORMED otherwise. */
export function decodeLegacyKeyFile(text: string): StoredKeys {
  const fields = parseObject(text);
  if (Object.values(fields).some((value) => typeof value === 'object' && value !== null)) {
    throw malformed();
  }
  const keys = [...text.matchAll(JSON_STRINGS)].filter(([, , colon]) => colon !== undefined);
  // A doubled key would mean one identity here and perhaps another one to another reader.
  if (keys.length !== Object.keys(fields).length) throw malformed();
  const signingSeed = privateKey(fields['identity_private']);
  const dhScalar = privateKey(fields['exchange_private']);
  const ikm = concatBytes(signingSeed, dhScalar);
  const info = label('legacy-store-key');
  const storeKey = hkdfSha256({ salt: new Uint8Array(0), ikm, info, length: 32 });
  const keyPair = AgentKeyPair.fromSecrets({ signingSeed, dhScalar });
  wipe(ikm, signingSeed, dhScalar);
  return { keyPair, storeKey: Secret.taking('store key', storeKey) };
}

/** 32 bytes are 43 characters, and one `=` when padded. */
function privateKey(text: unknown): Uint8Array {
  const padded = typeof text === 'string' && text.length === 44 && text.endsWith('=');
  return fromText(padded ? text.slice(0, -1) : text, 32);
}
