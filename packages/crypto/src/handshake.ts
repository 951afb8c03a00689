/**
 * The handshake (protocol.md §2.3): PQXDH-shaped, with the whole transcript in the key derivation.
 * Owns the transcript, the shared key and the session id. The message part goes on the wire, the
 * secret part into the ratchet; they are different types.
 */
import { sha256 } from '#hash';
import { hkdfSha256 } from '#symmetric';
import { concatBytes, equalBytes, label, u16, u32, u8, wipe } from './bytes.js';
import type { PeerBundle } from './bundle.js';
import { CryptoError } from './errors.js';
import { aidOf } from './identity.js';
import type { AgentKeyPair } from './key-pair.js';
import { decapsulate, encapsulate } from './ml-kem.js';
import type { PrekeyPair } from './prekey-pair.js';
import { checkCanonicalDhKey } from './public-key.js';
import type { RandomSource } from './random.js';
import type { RootKey } from './root-key.js';
import { Secret } from './secret.js';
import { PROTOCOL_VERSION, SUITE } from './wire.js';
import type { PrekeyBlock } from './wire.js';
import { dh, dhKeyPair } from './x25519.js';

/** Result of one side: the same root key and session id on both. */
export interface HandshakeSecret {
  readonly rootKey: RootKey;
  /** 16 bytes, public. */
  readonly sid: Uint8Array;
}

/** The public values that both sides agree on; every one is hashed into the key. */
interface Transcript {
  readonly initiator: Uint8Array;
  readonly responder: Uint8Array;
  readonly generation: number;
  readonly ephemeral: Uint8Array;
  readonly signedPrekeyId: number;
  readonly signedPrekey: Uint8Array;
  readonly oneTimePrekeyId: number;
  readonly oneTimePrekey: Uint8Array;
  readonly kemKey: Uint8Array;
  readonly kemCiphertext: Uint8Array;
}

const NO_PREKEY = new Uint8Array(32);
const ZERO_SALT = new Uint8Array(32);
const PREFIX = new Uint8Array(32).fill(0xff);
const TRANSCRIPT_LABEL = label('handshake');
const KEY_LABEL = label('handshake-key');
const SID_LABEL = label('sid');

/** What both sides can hash before any private key is used. */
interface Agreement {
  /** th = H(T). */
  readonly transcriptHash: Uint8Array;
  /** First 16 bytes of H(L("sid") || th), public. */
  readonly sid: Uint8Array;
}

function agreementOf(t: Transcript): Agreement {
  const transcriptHash = sha256(
    concatBytes(
      TRANSCRIPT_LABEL,
      u8(PROTOCOL_VERSION),
      u16(SUITE),
      t.initiator,
      t.responder,
      u32(t.generation),
      t.ephemeral,
      u32(t.signedPrekeyId),
      t.signedPrekey,
      u32(t.oneTimePrekeyId),
      t.oneTimePrekey,
      t.kemKey,
      t.kemCiphertext,
    ),
  );
  return { transcriptHash, sid: sha256(concatBytes(SID_LABEL, transcriptHash)).slice(0, 16) };
}

/**
 * Overwrites what is shared.
 * SK = HKDF(0^32, 0xFF^32 || DH1 || DH2 || DH3 [|| DH4] || ss, L("handshake-key") || th, 32).
 */
function conclude(agreement: Agreement, shared: readonly Uint8Array[]): HandshakeSecret {
  const ikm = concatBytes(PREFIX, ...shared);
  const key = hkdfSha256({
    salt: ZERO_SALT,
    ikm,
    info: concatBytes(KEY_LABEL, agreement.transcriptHash),
    length: 32,
  });
  wipe(ikm, ...shared);
  return { rootKey: Secret.taking('root key', key), sid: agreement.sid };
}

/**
 * Initiator: draws the ephemeral scalar (32 bytes), then the encapsulation randomness (32).
 * The bundle must have passed `verifyBundle`.
 */
export function initiateHandshake(request: {
  readonly keyPair: AgentKeyPair;
  readonly bundle: PeerBundle;
  readonly generation: number;
  readonly random: RandomSource;
}): { readonly message: PrekeyBlock; readonly secret: HandshakeSecret } {
  const { keyPair, bundle, generation, random } = request;
  const { record, signed, oneTime } = bundle;
  const scalar = random(32);
  const ephemeral = dhKeyPair(scalar);
  wipe(scalar);
  const kemKey = (oneTime ?? signed).kem;
  const randomness = random(32);
  const kem = encapsulate(kemKey, randomness);
  wipe(randomness);
  const shared = [
    keyPair.dh(signed.dh), // DH1 = X25519(IKd_A, SPK_B)
    dh(ephemeral.scalar, record.identity.dh), // DH2 = X25519(EK_A, IKd_B)
    dh(ephemeral.scalar, signed.dh), // DH3 = X25519(EK_A, SPK_B)
  ];
  if (oneTime !== null) shared.push(dh(ephemeral.scalar, oneTime.dh)); // DH4 = X25519(EK_A, OPK_B)
  const message = {
    generation,
    signedPrekeyId: signed.id,
    oneTimePrekeyId: oneTime?.id ?? 0,
    ephemeral: ephemeral.publicKey,
    ciphertext: kem.ciphertext,
    signing: keyPair.identity.signing,
    dh: keyPair.identity.dh,
  };
  const transcript = {
    initiator: keyPair.identity.aid,
    responder: record.identity.aid,
    generation,
    ephemeral: ephemeral.publicKey,
    signedPrekeyId: signed.id,
    signedPrekey: signed.dh,
    oneTimePrekeyId: message.oneTimePrekeyId,
    oneTimePrekey: oneTime?.dh ?? NO_PREKEY,
    kemKey,
    kemCiphertext: kem.ciphertext,
  };
  return { message, secret: conclude(agreementOf(transcript), [...shared, kem.shared]) };
}

/**
 * Responder: the same secret from the prekeys' private halves. Throws BAD_KEY for a bad ephemeral
 * key, and BAD_SID when the transcript gives another sid than the header's: one hash, before any
 * private key is used.
 */
export function acceptHandshake(request: {
  readonly keyPair: AgentKeyPair;
  readonly block: PrekeyBlock;
  /** From the header of the message. */
  readonly sid: Uint8Array;
  readonly signed: PrekeyPair;
  readonly oneTime: PrekeyPair | null;
}): HandshakeSecret {
  const { keyPair, block, signed, oneTime } = request;
  const ephemeral = checkCanonicalDhKey(block.ephemeral);
  const { kem } = oneTime ?? signed;
  const agreement = agreementOf({
    initiator: aidOf(block.signing, block.dh),
    responder: keyPair.identity.aid,
    generation: block.generation,
    ephemeral,
    signedPrekeyId: signed.record.id,
    signedPrekey: signed.record.dh,
    oneTimePrekeyId: oneTime?.record.id ?? 0,
    oneTimePrekey: oneTime?.record.dh ?? NO_PREKEY,
    kemKey: kem.publicKey,
    kemCiphertext: block.ciphertext,
  });
  if (!equalBytes(agreement.sid, request.sid)) throw new CryptoError('BAD_SID');
  const shared = [
    dh(signed.dh.scalar, block.dh), // DH1
    keyPair.dh(ephemeral), // DH2
    dh(signed.dh.scalar, ephemeral), // DH3
  ];
  if (oneTime !== null) shared.push(dh(oneTime.dh.scalar, ephemeral)); // DH4
  return conclude(agreement, [...shared, decapsulate(kem, block.ciphertext)]);
}
