/**
 * The symmetric ratchet (protocol.md §2.4): from one chain key, the message key and the next chain
 * key. Owns the step and the shapes of sending and receiving chains; a used chain key is gone.
 *
 *   mk = HMAC(CK, 0x01)      CK' = HMAC(CK, 0x02)
 */
import { hmacSha256 } from '#symmetric';
import type { ChainKey, HeaderKey } from './root-key.js';
import { Secret } from './secret.js';

export type MessageKey = Secret<'message key'>;

/** Our current sending chain; `next` is the number of the next message. */
export interface SendChain {
  readonly direction: 'send';
  readonly chainKey: ChainKey;
  readonly headerKey: HeaderKey;
  readonly next: number;
}

/** The peer's current chain, under its ratchet key. */
export interface ReceiveChain {
  readonly direction: 'receive';
  readonly ratchetKey: Uint8Array;
  readonly chainKey: ChainKey;
  readonly headerKey: HeaderKey;
  readonly next: number;
}

const MESSAGE = Uint8Array.of(1);
const CHAIN = Uint8Array.of(2);

/** The chain after its next message, whose key is never made. */
export function passOver(chain: ReceiveChain): ReceiveChain {
  return { ...chain, chainKey: nextKey(chain), next: chain.next + 1 };
}

/** The chain's next message key, and the chain after it. */
export function stepChain<Chain extends SendChain | ReceiveChain>(
  chain: Chain,
): { readonly chain: Chain; readonly messageKey: MessageKey } {
  const messageKey = chain.chainKey.use((key) => hmacSha256(key, MESSAGE));
  return {
    messageKey: Secret.taking('message key', messageKey),
    chain: { ...chain, chainKey: nextKey(chain), next: chain.next + 1 },
  };
}

function nextKey({ chainKey }: SendChain | ReceiveChain): ChainKey {
  return Secret.taking(
    'chain key',
    chainKey.use((key) => hmacSha256(key, CHAIN)),
  );
}
