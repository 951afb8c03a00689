/**
 * The floor of the design: the primitives that one message needs, by the fastest way that this
 * machine's Node has for each, in a bare loop without sessions, checks or copies. What `seal` and
 * `open` cost beyond it is ours to save.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  hkdfSync,
  randomFillSync,
  sign,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import libsodium from 'libsodium-wrappers';

import { confirm } from '../harness/bench-error.js';

/** Header, both identities and label: what a header tag and a signature cover. */
const HEADER_BYTES = 160;
const TAG = { authTagLength: 16 };

/** One message, sealed and opened; `turn` adds what a new ratchet key costs both ends. */
export class Floor {
  readonly #key = randomFillSync(new Uint8Array(32));
  readonly #header = randomFillSync(new Uint8Array(HEADER_BYTES));
  readonly #signing = libsodium.crypto_sign_seed_keypair(randomFillSync(new Uint8Array(32)));
  readonly #signer = privateKey('Ed25519', this.#signing.privateKey.subarray(0, 32));
  readonly #ratchet = privateKey('X25519', randomFillSync(new Uint8Array(32)));

  static async create(): Promise<Floor> {
    await libsodium.ready;
    return new Floor();
  }

  message(plaintext: Uint8Array, turn: boolean): void {
    const wire = this.#seal(plaintext);
    if (turn) this.#turn();
    this.#open(wire, plaintext.length);
  }

  #seal(plaintext: Uint8Array): Buffer {
    const { key, nonce } = this.#messageKey();
    const signature = sign(null, this.#signed(plaintext), this.#signer);
    const cipher = createCipheriv('aes-256-gcm', createSecretKey(key), nonce, TAG);
    cipher.setAAD(this.#header);
    const parts = [cipher.update(plaintext), cipher.update(signature), cipher.final()];
    return Buffer.concat([...parts, cipher.getAuthTag()]);
  }

  #open(wire: Buffer, length: number): void {
    const { key, nonce } = this.#messageKey();
    const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), nonce, TAG);
    decipher.setAAD(this.#header);
    decipher.setAuthTag(wire.subarray(-16));
    const opened = decipher.update(wire.subarray(0, -16));
    decipher.final();
    const [content, signature] = [opened.subarray(0, length), opened.subarray(length)];
    const { publicKey } = this.#signing;
    const message = this.#signed(content);
    confirm(libsodium.crypto_sign_verify_detached(signature, message, publicKey), 'the floor');
  }

  /** Header tag, message key, next chain key, then AES key and nonce. */
  #messageKey(): { key: Uint8Array; nonce: Uint8Array } {
    mac(this.#key, this.#header);
    const ikm = createSecretKey(mac(this.#key, Uint8Array.of(1)));
    mac(this.#key, Uint8Array.of(2));
    const okm = new Uint8Array(hkdfSync('sha256', ikm, this.#header.subarray(0, 16), 'floor', 44));
    return { key: okm.subarray(0, 32), nonce: okm.subarray(32) };
  }

  /** What is signed: the associated data and a hash of the content. */
  #signed(content: Uint8Array): Uint8Array {
    return Buffer.concat([this.#header, mac(this.#key, content)]);
  }

  /** Of the receiver: the peer's new key under our old one, then a new one of ours under it. */
  #turn(): void {
    const { x = '' } = createPublicKey(this.#ratchet).export({ format: 'jwk' });
    const source = { key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' } as const;
    const theirs = withoutStacks(() => createPublicKey(source));
    this.#rootKey(this.#ratchet, theirs);
    const fresh = privateKey('X25519', randomFillSync(new Uint8Array(32)));
    createPublicKey(fresh).export({ format: 'jwk' });
    this.#rootKey(fresh, theirs);
  }

  #rootKey(ours: KeyObject, theirs: KeyObject): void {
    const shared = diffieHellman({ privateKey: ours, publicKey: theirs });
    hkdfSync('sha256', createSecretKey(shared), this.#key, 'floor', 96);
  }
}

function mac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac('sha256', createSecretKey(key)).update(data).digest();
}

/** From a scalar or seed; Node computes the public half itself, whatever `x` says. */
function privateKey(crv: 'X25519' | 'Ed25519', bytes: Uint8Array): KeyObject {
  const d = Buffer.from(bytes).toString('base64url');
  const source = { key: { kty: 'OKP', crv, d, x: d }, format: 'jwk' } as const;
  return withoutStacks(() => createPrivateKey(source));
}

/** Node takes a key's options for a key at first, by catching errors, whose stacks are slow. */
function withoutStacks<Result>(make: () => Result): Result {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
