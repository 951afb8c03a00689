/**
 * What an accelerator is: the same functions as libsodium's, computed by a native build of the same
 * library. `#accelerator` looks for one when the package is loaded. Owns the contract.
 */

/** The functions that a native build replaces; each has the name and result of libsodium's own. */
export interface Accelerator {
  readonly name: 'sodium-native';
  crypto_sign_seed_keypair(seed: Uint8Array): {
    readonly publicKey: Uint8Array;
    readonly privateKey: Uint8Array;
    readonly keyType: string;
  };
  crypto_sign_detached(message: Uint8Array, secretKey: Uint8Array): Uint8Array;
  crypto_sign_verify_detached(
    signature: Uint8Array,
    message: Uint8Array,
    publicKey: Uint8Array,
  ): boolean;
  crypto_sign_ed25519_pk_to_curve25519(publicKey: Uint8Array): Uint8Array;
  crypto_scalarmult(scalar: Uint8Array, publicKey: Uint8Array): Uint8Array;
  crypto_scalarmult_base(scalar: Uint8Array): Uint8Array;
}

/** Why there is none, for people: null where nobody asked for one. */
export interface Search {
  readonly accelerator: Accelerator | null;
  readonly problem: string | null;
}
