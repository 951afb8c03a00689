/**
 * Which kept contents are sealed again now for a peer that asks (protocol.md §2.10): each one after
 * a wait that doubles, and no more bytes in a minute than a fair answer needs, so that small
 * requests cannot make an agent send much. Owns this memory, which is of one run.
 */
import { toHex } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';

const MINUTE_MS = 60_000;

/** A content of ours: its peer, and our epoch and number. */
interface Position {
  readonly aid: Uint8Array;
  readonly epoch: number;
  readonly number: number;
}

interface Repeated {
  readonly atMs: number;
  readonly times: number;
}

interface PeerRepeats {
  /** Our epoch that the numbers are of. */
  epoch: number;
  /** By number. */
  readonly numbers: Map<number, Repeated>;
  sinceMs: number;
  bytes: number;
}

/** The repetitions of one agent, on a clock that only rises. */
export class Repeats {
  readonly #peers = new Map<string, PeerRepeats>();

  /** Whether a content may be sealed again now. */
  may({ aid, epoch, number }: Position, nowMs: number): boolean {
    const peer = this.#of(aid, epoch, nowMs);
    if (peer.bytes >= AGENT_LIMITS.retryBytesPerMinute) return false;
    const repeated = peer.numbers.get(number);
    if (repeated === undefined) return true;
    const waitMs = AGENT_LIMITS.retryAgainMs * 2 ** (repeated.times - 1);
    return nowMs - repeated.atMs >= Math.min(waitMs, AGENT_LIMITS.retryAgainMaxMs);
  }

  /** It was sealed again. */
  add({ aid, epoch, number }: Position, { bytes, nowMs }: { bytes: number; nowMs: number }): void {
    const peer = this.#of(aid, epoch, nowMs);
    const times = (peer.numbers.get(number)?.times ?? 0) + 1;
    peer.numbers.set(number, { atMs: nowMs, times });
    peer.bytes += bytes;
  }

  /** Contents below this number are kept no more. */
  forgetBelow(aid: Uint8Array, keptFrom: number): void {
    const key = toHex(aid);
    const peer = this.#peers.get(key);
    if (peer === undefined) return;
    for (const number of peer.numbers.keys()) if (number < keptFrom) peer.numbers.delete(number);
    if (peer.numbers.size === 0) this.#peers.delete(key);
  }

  #of(aid: Uint8Array, epoch: number, nowMs: number): PeerRepeats {
    const key = toHex(aid);
    const peer = this.#peers.get(key) ?? { epoch, numbers: new Map(), sinceMs: nowMs, bytes: 0 };
    // Numbers begin anew with each identity of ours; the bytes are the peer's all the same.
    if (peer.epoch !== epoch) {
      peer.epoch = epoch;
      peer.numbers.clear();
    }
    if (nowMs - peer.sinceMs >= MINUTE_MS) Object.assign(peer, { sinceMs: nowMs, bytes: 0 });
    this.#peers.set(key, peer);
    return peer;
  }
}
