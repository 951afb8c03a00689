/**
 * What a session should do, without any cryptography: which message is heard, which is refused and
 * why. Written from protocol.md §2.4, §2.8 and §2.16, not from the code that it judges.
 */
import type { CryptoErrorCode } from '../src/index.js';

export type Name = 'alice' | 'bob';

export const otherOf = (name: Name): Name => (name === 'alice' ? 'bob' : 'alice');

/** One message as the network sees it. */
export interface ModelMessage {
  readonly from: Name;
  readonly text: string;
  readonly wire: Uint8Array;
  /** Ratchet key in hex. */
  readonly chain: string;
  readonly number: number;
  readonly previousLength: number;
  dropped: boolean;
  heard: boolean;
  /** When its key was put aside for later; null while it was not. */
  skippedAtMs: number | null;
}

/** What one side has heard of the other. */
interface Hearing {
  readonly messages: ModelMessage[];
  /** Newest first: the current chain and at most five old ones. */
  chains: string[];
}

const CHAINS = 6;
const LIFETIME_MS = 14 * 86_400_000;

export class RatchetModel {
  nowMs: number;
  readonly #hearing: Readonly<Record<Name, Hearing>> = {
    alice: { messages: [], chains: [] },
    bob: { messages: [], chains: [] },
  };

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  /** Messages to this side, whatever became of them. */
  messagesTo(name: Name): readonly ModelMessage[] {
    return this.#hearing[name].messages;
  }

  /** Whether the side has a session that it can send in: Bob has none before he hears Alice. */
  canSend(name: Name): boolean {
    return name === 'alice' || this.#hearing.bob.chains.length > 0;
  }

  sent(message: ModelMessage): void {
    this.#hearing[otherOf(message.from)].messages.push(message);
  }

  /** `heard`, or the code with which the message must be refused now. */
  expected(message: ModelMessage): 'heard' | CryptoErrorCode {
    const { messages, chains } = this.#hearing[otherOf(message.from)];
    if (!chains.includes(message.chain)) {
      const isForgotten = messages.some(({ chain, heard }) => chain === message.chain && heard);
      return isForgotten ? 'BAD_HEADER' : 'heard';
    }
    if (message.heard || this.#isExpired(message)) return 'DUPLICATE';
    return 'heard';
  }

  #isExpired({ skippedAtMs }: ModelMessage): boolean {
    return skippedAtMs !== null && this.nowMs > skippedAtMs + LIFETIME_MS;
  }

  /** Takes note of an expected hearing. */
  hear(message: ModelMessage): void {
    const hearing = this.#hearing[otherOf(message.from)];
    const [current] = hearing.chains;
    if (!hearing.chains.includes(message.chain)) {
      if (current !== undefined) this.#skip(hearing, current, message.previousLength);
      hearing.chains = [message.chain, ...hearing.chains].slice(0, CHAINS);
    }
    if (hearing.chains[0] === message.chain) this.#skip(hearing, message.chain, message.number);
    message.heard = true;
  }

  #skip({ messages }: Hearing, chain: string, before: number): void {
    for (const message of messages) {
      if (message.chain !== chain || message.number >= before || message.heard) continue;
      message.skippedAtMs ??= this.nowMs;
    }
  }

  /** How many skipped keys the side must hold now, expired ones that nothing removed included. */
  skippedAtMost(name: Name): number {
    const { messages, chains } = this.#hearing[name];
    return messages.filter(
      ({ chain, heard, skippedAtMs }) => chains.includes(chain) && !heard && skippedAtMs !== null,
    ).length;
  }
}
