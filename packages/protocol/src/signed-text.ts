/**
 * Signatures in frames (protocol.md §2.15): `hello`, `auth_ok`, `error` and `bye` carry one as
 * their last field, and it covers the text before that field, as it was sent and received. So every
 * field is covered, those of later versions too, and nothing is encoded again to be checked. Owns
 * which part of a text that is; who signs what is `authentication`'s.
 */
import { encodeFrame } from './frame-codec.js';
import type { AuthOkFrame, ByeFrame, ErrorFrame, HelloFrame } from './hub-frames.js';

/** Characters of a signature of 64 bytes. */
const SIGNATURE_LENGTH = 86;
const BLANK = new Uint8Array(64);

/** Frames whose `signature` covers the rest. */
export type SignedFrame = AuthOkFrame | ByeFrame | ErrorFrame;

/** The text before the last field, if that field is the signature; else null. */
export function signedPart(text: string, field: 'proof' | 'signature'): string | null {
  const name = `,"${field}":"`;
  const at = text.length - name.length - SIGNATURE_LENGTH - '"}'.length;
  return at > 0 && text.startsWith(name, at) && text.endsWith('"}') ? text.slice(0, at) : null;
}

/** The text of a `hello` before its proof. */
export function textOfHello(hello: Omit<HelloFrame, 'proof'>): string {
  return partOf(encodeFrame({ ...hello, proof: BLANK }), 'proof');
}

/** The text of a frame before its signature. */
export function textToSign(frame: SignedFrame): string {
  return partOf(encodeFrame({ ...frame, signature: BLANK }), 'signature');
}

function partOf(text: string, field: 'proof' | 'signature'): string {
  return signedPart(text, field) ?? text;
}
