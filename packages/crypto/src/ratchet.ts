/**
 * The receiving half of the double ratchet as pure functions (protocol.md §2.4, §2.8 steps 5-6):
 * which header key may speak for a message, and which message key then opens it.
 * Owns the choice of chain, skipping and the Diffie-Hellman turns; encryption is elsewhere.
 */
import { equalBytes, wipe } from './bytes.js';
import { passOver, stepChain } from './chain-key.js';
import type { MessageKey, ReceiveChain, SendChain } from './chain-key.js';
import { CryptoError } from './errors.js';
import { LIMITS } from './limits.js';
import { checkCanonicalDhKey } from './public-key.js';
import { turnRootKey } from './root-key.js';
import type { HeaderKey, RootKey } from './root-key.js';
import type { OldChain, SkippedKey } from './session.js';
import type { ParsedMessage } from './wire.js';
import { dh, dhKeyPair } from './x25519.js';
import type { DhKeyPair } from './x25519.js';

/** What receiving needs of a session; a responder that has opened nothing has no chain yet. */
export interface Receiver {
  readonly rootKey: RootKey;
  readonly ratchet: DhKeyPair;
  readonly receiving: ReceiveChain | null;
  readonly old: readonly OldChain[];
  readonly skipped: readonly SkippedKey[];
}

/** The chain that a header belongs to. `turn` = a new ratchet key of the peer. */
export type ChainChoice =
  | { readonly kind: 'current'; readonly headerKey: HeaderKey; readonly chain: ReceiveChain }
  | { readonly kind: 'old'; readonly headerKey: HeaderKey }
  | {
      readonly kind: 'turn';
      readonly headerKey: HeaderKey;
      readonly chain: ReceiveChain;
      readonly rootKey: RootKey;
    };

type Header = Pick<ParsedMessage, 'ratchetKey' | 'number' | 'previousLength'>;

/** Chooses by ratchet key; a new key is tried on the side and stores nothing. */
export function chooseChain(receiver: Receiver, header: Header): ChainChoice {
  const { receiving } = receiver;
  if (receiving !== null && equalBytes(receiving.ratchetKey, header.ratchetKey)) {
    return { kind: 'current', headerKey: receiving.headerKey, chain: receiving };
  }
  const old = receiver.old.find((chain) => equalBytes(chain.ratchetKey, header.ratchetKey));
  if (old !== undefined) return { kind: 'old', headerKey: old.headerKey };
  return candidate(receiver, header);
}

function candidate(receiver: Receiver, header: Header): ChainChoice {
  // A genuine new chain never claims that less was sent than has arrived.
  if (header.previousLength < (receiver.receiving?.next ?? 0)) throw new CryptoError('BAD_HEADER');
  if (receiver.receiving === null && header.previousLength !== 0) {
    throw new CryptoError('BAD_HEADER');
  }
  const ratchetKey = checkCanonicalDhKey(header.ratchetKey);
  const shared = dh(receiver.ratchet.scalar, ratchetKey);
  const { rootKey, chainKey, headerKey } = turnRootKey(receiver.rootKey, shared);
  wipe(shared);
  const chain = { direction: 'receive', ratchetKey, chainKey, headerKey, next: 0 } as const;
  return { kind: 'turn', headerKey, chain, rootKey };
}

/** The key for an authenticated header, and the receiver as it is once that key is used. */
export interface KeyChoice {
  readonly messageKey: MessageKey;
  readonly receiver: Receiver;
  /** Skipped keys that went with a forgotten chain, or were not kept of a long jump. */
  readonly dropped: number;
  /** Chain steps over messages that have not come: what the jump cost. */
  readonly skippedOver: number;
}

/** What bounds one jump. */
export interface JumpBound {
  readonly nowMs: number;
  /** Steps that this message may cost; beyond them SKIP_BUDGET. */
  readonly maxSteps: number;
  /** Keys that are kept of a chain, the newest ones; by default `skippedKeysPerJump`. */
  readonly keptKeys?: number | undefined;
}

/**
 * Derives forward on a copy; throws DUPLICATE for a number that was used, TOO_FAR for a jump over
 * the limit, SKIP_BUDGET for one over what the caller allows: both before anything is derived.
 * `receiver.ratchet` is not turned here: see {@link turnSending}.
 */
export function takeMessageKey(
  receiver: Receiver,
  choice: ChainChoice,
  header: Header,
  bound: JumpBound,
): KeyChoice {
  if (choice.kind === 'old') return takeSkipped(receiver, header);
  if (header.number < choice.chain.next) return takeSkipped(receiver, header);
  if (Math.max(header.number, header.previousLength) >= LIMITS.maxMessageNumber) {
    throw new CryptoError('TOO_FAR');
  }
  const skippedOver = stepsOf(receiver, choice, header);
  if (skippedOver > bound.maxSteps) throw new CryptoError('SKIP_BUDGET');
  const { receiver: left, dropped } =
    choice.kind === 'turn'
      ? leaveChain(receiver, header.previousLength, bound)
      : { receiver, dropped: 0 };
  const forward = skipTo(choice.chain, header.number, bound);
  const { chain, messageKey } = stepChain(forward.chain);
  return {
    messageKey,
    skippedOver,
    dropped: dropped + forward.dropped,
    receiver: {
      ...left,
      rootKey: choice.kind === 'turn' ? choice.rootKey : receiver.rootKey,
      receiving: chain,
      skipped: [...left.skipped, ...forward.skipped],
    },
  };
}

/** Steps to the end of the chain that is left and to the message; TOO_FAR beyond the limit. */
function stepsOf(
  { receiving }: Receiver,
  choice: Exclude<ChainChoice, { readonly kind: 'old' }>,
  header: Header,
): number {
  const leaving = choice.kind === 'turn' ? receiving : null;
  const behind = leaving === null ? 0 : header.previousLength - leaving.next;
  const ahead = header.number - choice.chain.next;
  if (Math.max(behind, ahead) > LIMITS.maxSkip) throw new CryptoError('TOO_FAR');
  return behind + ahead;
}

function takeSkipped(receiver: Receiver, header: Header): KeyChoice {
  const at = receiver.skipped.findIndex(
    (entry) => entry.number === header.number && equalBytes(entry.ratchetKey, header.ratchetKey),
  );
  const entry = receiver.skipped[at];
  if (entry === undefined) throw new CryptoError('DUPLICATE');
  const skipped = receiver.skipped.filter((_, index) => index !== at);
  return { messageKey: entry.key, receiver: { ...receiver, skipped }, dropped: 0, skippedOver: 0 };
}

/**
 * Keeps the keys of the current chain's missing messages and retires the chain. The oldest chain
 * beyond the limit goes with its skipped keys: without its header key nothing could use them.
 */
function leaveChain(
  receiver: Receiver,
  previousLength: number,
  bound: JumpBound,
): Pick<KeyChoice, 'receiver' | 'dropped'> {
  const { receiving } = receiver;
  if (receiving === null) return { receiver, dropped: 0 };
  const left = skipTo(receiving, previousLength, bound);
  const { ratchetKey, headerKey } = receiving;
  const old = [{ ratchetKey, headerKey }, ...receiver.old];
  const forgotten = old.slice(LIMITS.oldChains);
  const kept = receiver.skipped.filter(
    (entry) => !forgotten.some((chain) => equalBytes(chain.ratchetKey, entry.ratchetKey)),
  );
  const dropped = receiver.skipped.length - kept.length + left.dropped;
  const skipped = [...kept, ...left.skipped];
  return { receiver: { ...receiver, old: old.slice(0, LIMITS.oldChains), skipped }, dropped };
}

/** Keeps the newest keys of a jump; the older ones are never made. */
function skipTo(
  chain: ReceiveChain,
  number: number,
  { nowMs, keptKeys = LIMITS.skippedKeysPerJump }: JumpBound,
): {
  readonly chain: ReceiveChain;
  readonly skipped: readonly SkippedKey[];
  readonly dropped: number;
} {
  const firstKept = number - keptKeys;
  const dropped = Math.max(0, firstKept - chain.next);
  let current = chain;
  while (current.next < firstKept) current = passOver(current);
  const skipped: SkippedKey[] = [];
  while (current.next < number) {
    const step = stepChain(current);
    const { ratchetKey, next } = current;
    skipped.push({ ratchetKey, number: next, key: step.messageKey, storedAtMs: nowMs });
    current = step.chain;
  }
  return { chain: current, skipped, dropped };
}

/**
 * Our answer to a new ratchet key: a fresh key of ours and a sending chain under both. Overwrites
 * the scalar that was drawn for it.
 */
export function turnSending(
  rootKey: RootKey,
  scalar: Uint8Array,
  theirRatchetKey: Uint8Array,
): { readonly rootKey: RootKey; readonly ratchet: DhKeyPair; readonly sending: SendChain } {
  const ratchet = dhKeyPair(scalar);
  const shared = dh(ratchet.scalar, theirRatchetKey);
  const turn = turnRootKey(rootKey, shared);
  wipe(scalar, shared);
  const { chainKey, headerKey } = turn;
  return {
    rootKey: turn.rootKey,
    ratchet,
    sending: { direction: 'send', chainKey, headerKey, next: 0 },
  };
}
