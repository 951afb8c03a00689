/**
 * An agent's own identity keys (protocol.md §2.1): an Ed25519 and an independent X25519 pair.
 * Owns signing and the long-term Diffie-Hellman; the file they rest in is `key-file`'s.
 */
import { assertLength, copyBytes, wipe } from './bytes.js';
import { fingerprintOf, legacyFingerprintOf } from './fingerprint.js';
import { addressOf, identityOf } from './identity.js';
import type { PublicIdentity } from './identity.js';
import { systemRandom } from './random.js';
import type { RandomSource } from './random.js';
import { Secret } from './secret.js';
import { sign, signingKeyFromSeed } from './signature.js';
import type { SigningKey } from './signature.js';
import { dh, dhKeyPair } from './x25519.js';
import type { DhKeyPair } from './x25519.js';

/** The two private keys in their stored form, 32 bytes each. */
export interface AgentSecrets {
  readonly signingSeed: Uint8Array;
  readonly dhScalar: Uint8Array;
}

/** Identity key pair of an agent. Printing or serialising it shows public values only. */
export class AgentKeyPair {
  readonly identity: PublicIdentity;
  readonly #signingSeed: Secret<'signing seed'>;
  readonly #signing: SigningKey;
  readonly #dh: DhKeyPair;

  private constructor(secrets: AgentSecrets) {
    assertLength(secrets.signingSeed, 32, 'signing seed');
    assertLength(secrets.dhScalar, 32, 'X25519 scalar');
    this.#signingSeed = new Secret('signing seed', secrets.signingSeed);
    this.#signing = signingKeyFromSeed(secrets.signingSeed);
    this.#dh = dhKeyPair(secrets.dhScalar);
    this.identity = identityOf(this.#signing.publicKey, this.#dh.publicKey);
  }

  /** A new identity: 32 random bytes for the signing key, then 32 for the exchange key. */
  static generate(random: RandomSource = systemRandom): AgentKeyPair {
    const drawn = random(32);
    const signingSeed = copyBytes(drawn);
    wipe(drawn);
    const dhScalar = random(32);
    const keyPair = new AgentKeyPair({ signingSeed, dhScalar });
    wipe(signingSeed, dhScalar);
    return keyPair;
  }

  /** The identity of stored private keys; public keys are always derived, never read. */
  static fromSecrets(secrets: AgentSecrets): AgentKeyPair {
    return new AgentKeyPair(secrets);
  }

  /** `am2…`, 55 characters. */
  get address(): string {
    return addressOf(this.identity.aid);
  }

  /** Eight groups of four hex digits over both keys. */
  get fingerprint(): string {
    return fingerprintOf(this.identity.aid);
  }

  /** What the Python package printed for the same keys. */
  get legacyFingerprint(): string {
    return legacyFingerprintOf(this.identity.signing);
  }

  /** 64-byte Ed25519 signature. Callers put a label of protocol.md §2.0 in front. */
  sign(message: Uint8Array): Uint8Array {
    return sign(this.#signing, message);
  }

  /** X25519(IKd, publicKey); throws BAD_KEY on an all-zero result. */
  dh(publicKey: Uint8Array): Uint8Array {
    return dh(this.#dh.scalar, publicKey);
  }

  /** Copies of the private keys, for the key file only, which wipes them. */
  exportSecrets(): AgentSecrets {
    return {
      signingSeed: this.#signingSeed.reveal(),
      dhScalar: this.#dh.scalar.reveal(),
    };
  }

  toJSON(): { readonly address: string; readonly fingerprint: string } {
    return { address: this.address, fingerprint: this.fingerprint };
  }

  toString(): string {
    return `AgentKeyPair(${this.address})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
