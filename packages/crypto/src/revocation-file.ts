/**
 * The revocation of a new identity, written when its keys are created (protocol.md §2.13): one line
 * of text in a private file next to the key file, to be moved to a safer location. Owns its name
 * and form.
 */
import { Buffer } from 'node:buffer';
import { textBytes } from './bytes.js';
import { createPrivateFile, realPath } from './key-file-disk.js';
import type { AgentKeyPair } from './key-pair.js';
import { systemRandom } from './random.js';
import type { RandomSource } from './random.js';
import { createRevocation, REVOCATION_REASON } from './revocation.js';

/**
 * Writes the revocation of this identity beside its key file, once; returns where it is. The name
 * begins as the key file's and holds the beginning of the fingerprint.
 */
export async function keepRevocation(
  path: string,
  { keyPair, timeMs, random = systemRandom }: RevocationFileRequest,
): Promise<string> {
  const mark = keyPair.fingerprint.slice(0, 9).replace(':', '-');
  const beside = `${await realPath(path)}.${mark}.revocation`;
  const bytes = createRevocation(keyPair, { timeMs, reason: REVOCATION_REASON.keyCompromised });
  const text = `${Buffer.from(bytes).toString('base64url')}\n`;
  await createPrivateFile(beside, textBytes(text), random);
  return beside;
}

/** What {@link keepRevocation} writes down. */
export interface RevocationFileRequest {
  readonly keyPair: AgentKeyPair;
  /** When it is signed, in ms since the epoch. */
  readonly timeMs: number;
  readonly random?: RandomSource | undefined;
}
