/**
 * Mutual authentication of agent and hub (protocol.md §2.15): what is signed, by whom, and the
 * hub's own key. Owns the bytes that both sides sign; frames and connections are elsewhere.
 *
 * The hub proves its key first, over its greeting. What it says later on the same connection it
 * signs together with the transcript: a hash of that greeting, and then of the client's answer.
 */
import { sha256 } from '#hash';
import {
  assertInteger,
  assertLength,
  concatBytes,
  copyBytes,
  label,
  lp32,
  lp8,
  textBytes,
  u32,
  u8,
  wipe,
} from './bytes.js';
import { assertAgentName } from './identity.js';
import { checkSigningKey } from './public-key.js';
import { systemRandom } from './random.js';
import type { RandomSource } from './random.js';
import { Secret } from './secret.js';
import { sign, signingKeyFromSeed, verifySignature } from './signature.js';
import type { SigningKey } from './signature.js';

/** 0 = no TLS, 1 = TLS exporter (RFC 9266), 2 = TLS ends in a proxy or in the browser. */
export type ChannelBindingType = 0 | 1 | 2;

/** What the hub's proof covers: this connection, both nonces, and both first frames. */
export interface HubGreeting {
  readonly channelBindingType: ChannelBindingType;
  /** 32 bytes; zeros unless the type is 1. */
  readonly channelBinding: Uint8Array;
  readonly clientNonce: Uint8Array;
  readonly serverNonce: Uint8Array;
  /** Text of the client's first frame, as it was sent and received. */
  readonly begin: string;
  /** Text of the hub's first frame before its field `proof`, likewise. */
  readonly hello: string;
}

/** Everything that the client's signature covers. */
export interface HubAuthTranscript {
  /** `transient`: a client that keeps its keys nowhere, and says so. */
  readonly role: 'client' | 'hub' | 'transient';
  readonly channelBindingType: ChannelBindingType;
  /** 32 bytes; zeros unless the type is 1. */
  readonly channelBinding: Uint8Array;
  readonly hubKey: Uint8Array;
  readonly serverNonce: Uint8Array;
  readonly clientNonce: Uint8Array;
  readonly aid: Uint8Array;
  readonly name: string;
  /** 16 random bytes of the agent's store. */
  readonly instance: Uint8Array;
  /** How often that store was opened. */
  readonly boot: number;
}

const AUTH_LABEL = label('hub-auth');
const PROOF_LABEL = label('hub-proof');
const TRANSCRIPT_LABEL = label('hub-transcript');
const SAID_LABEL = label('hub-said');
const HUB_LABEL = label('hub');
const ROLES = { client: u8(1), hub: u8(2), transient: u8(3) } as const;

/** The bytes that the hub signs to prove its key. */
export function hubProofBytes(greeting: HubGreeting): Uint8Array {
  const { channelBinding, clientNonce, serverNonce, begin, hello } = greeting;
  assertInteger(greeting.channelBindingType, 0, 2, 'channelBindingType');
  assertLength(channelBinding, 32, 'channelBinding');
  assertLength(clientNonce, 32, 'clientNonce');
  assertLength(serverNonce, 32, 'serverNonce');
  return concatBytes(
    PROOF_LABEL,
    u8(greeting.channelBindingType),
    lp32(channelBinding),
    clientNonce,
    serverNonce,
    sha256(concatBytes(lp32(textBytes(begin)), lp32(textBytes(hello)))),
  );
}

/** Whether the owner of `hubKey` greeted so, on this connection. */
export function verifyHubProof(
  greeting: HubGreeting,
  proof: Uint8Array,
  hubKey: Uint8Array,
): boolean {
  return verifySignature(hubKey, hubProofBytes(greeting), proof);
}

/** Transcript of a connection once the hub has greeted: 32 bytes. */
export function hubTranscript(greeting: HubGreeting): Uint8Array {
  return sha256(hubProofBytes(greeting));
}

/** Transcript of a connection once the client has sent `auth`, whose text this is. */
export function transcriptWithAuth(transcript: Uint8Array, auth: string): Uint8Array {
  assertLength(transcript, 32, 'transcript');
  return sha256(concatBytes(TRANSCRIPT_LABEL, transcript, lp32(textBytes(auth))));
}

/** The bytes that the hub signs of a frame: the frame's text before its field `signature`. */
export function hubSaidBytes(transcript: Uint8Array, said: string): Uint8Array {
  assertLength(transcript, 32, 'transcript');
  return concatBytes(SAID_LABEL, transcript, lp32(textBytes(said)));
}

/** Whether the owner of `hubKey` said this, on the connection of this transcript. */
export function verifyHubSaid(
  { transcript, said, hubKey }: { transcript: Uint8Array; said: string; hubKey: Uint8Array },
  signature: Uint8Array,
): boolean {
  return verifySignature(hubKey, hubSaidBytes(transcript, said), signature);
}

/** The bytes that the client signs. */
export function hubAuthBytes(transcript: HubAuthTranscript): Uint8Array {
  const { channelBinding, hubKey, serverNonce, clientNonce, aid, instance } = transcript;
  for (const [field, bytes] of Object.entries({
    channelBinding,
    hubKey,
    serverNonce,
    clientNonce,
    aid,
  })) {
    assertLength(bytes, 32, field);
  }
  assertLength(instance, 16, 'instance');
  assertInteger(transcript.channelBindingType, 0, 2, 'channelBindingType');
  assertAgentName(transcript.name);
  assertInteger(transcript.boot, 0, 0xffff_ffff, 'boot');
  return concatBytes(
    AUTH_LABEL,
    ROLES[transcript.role],
    u8(transcript.channelBindingType),
    channelBinding,
    hubKey,
    serverNonce,
    clientNonce,
    aid,
    lp8(textBytes(transcript.name)),
    instance,
    u32(transcript.boot),
  );
}

/** Whether `publicKey` (IKs of the client) signed this transcript. */
export function verifyHubAuth(
  transcript: HubAuthTranscript,
  signature: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  return verifySignature(publicKey, hubAuthBytes(transcript), signature);
}

/** hubId = H(L("hub") || hubPub). */
export function hubIdOf(hubKey: Uint8Array): Uint8Array {
  assertLength(hubKey, 32, 'hub key');
  return sha256(concatBytes(HUB_LABEL, hubKey));
}

/** The checks of an Ed25519 public key (protocol.md §2.1); throws BAD_KEY. */
export function importHubKey(bytes: Uint8Array): Uint8Array {
  return copyBytes(checkSigningKey(bytes));
}

/** A hub's signing key. It proves which hub this is and decrypts nothing. */
export class HubKeyPair {
  readonly #seed: Secret<'hub seed'>;
  readonly #key: SigningKey;

  private constructor(seed: Uint8Array) {
    this.#seed = new Secret('hub seed', seed);
    this.#key = signingKeyFromSeed(seed);
  }

  static generate(random: RandomSource = systemRandom): HubKeyPair {
    const seed = random(32);
    const keyPair = new HubKeyPair(seed);
    wipe(seed);
    return keyPair;
  }

  static fromSeed(seed: Uint8Array): HubKeyPair {
    return new HubKeyPair(seed);
  }

  /** 32-byte Ed25519 key. */
  get publicKey(): Uint8Array {
    return this.#key.publicKey;
  }

  get hubId(): Uint8Array {
    return hubIdOf(this.#key.publicKey);
  }

  /** Proves this key to the client of one connection. */
  prove(greeting: HubGreeting): Uint8Array {
    return sign(this.#key, hubProofBytes(greeting));
  }

  /** Signs the text of a frame, for the connection of this transcript alone. */
  say(transcript: Uint8Array, said: string): Uint8Array {
    return sign(this.#key, hubSaidBytes(transcript, said));
  }

  /** Copy of the 32-byte seed, for the hub's own store only. */
  exportSeed(): Uint8Array {
    return this.#seed.reveal();
  }

  toJSON(): string {
    return 'HubKeyPair';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return 'HubKeyPair';
  }
}
