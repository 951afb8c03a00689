/**
 * How many steps of their chains peers may make this agent take over messages that have not come
 * (protocol.md §2.8 step 6): each step is a derivation, and a genuine message may ask for
 * thousands. Owns the counting; a message beyond the budget is put off, and only its sender waits.
 */
import { toHex } from '@agentmesh/crypto';
import { AGENT_LIMITS } from '../ground/limits.js';

interface Account {
  readonly left: number;
  readonly atMs: number;
}

/** A bucket for each peer that has skipped lately; a full bucket is forgotten. */
export class SkipBudget {
  readonly #accounts = new Map<string, Account>();

  /** Steps that this peer's next message may cost. */
  left(aid: Uint8Array, nowMs: number): number {
    const account = this.#accounts.get(toHex(aid));
    return account === undefined ? AGENT_LIMITS.skipBurst : refilled(account, nowMs);
  }

  /** Charges what an authentic message has cost. */
  spend(aid: Uint8Array, steps: number, nowMs: number): void {
    if (steps === 0) return;
    this.#forgetFull(nowMs);
    const left = Math.max(0, this.left(aid, nowMs) - steps);
    this.#accounts.set(toHex(aid), { left, atMs: nowMs });
  }

  #forgetFull(nowMs: number): void {
    if (this.#accounts.size < AGENT_LIMITS.skipAccounts) return;
    for (const [key, account] of this.#accounts) {
      if (refilled(account, nowMs) >= AGENT_LIMITS.skipBurst) this.#accounts.delete(key);
    }
    // Beyond the bound the oldest starts anew: memory is bounded before time is.
    const [oldest] = this.#accounts.keys();
    if (oldest !== undefined && this.#accounts.size >= AGENT_LIMITS.skipAccounts) {
      this.#accounts.delete(oldest);
    }
  }
}

/** A clock that was set back refills nothing, and takes nothing. */
function refilled({ left, atMs }: Account, nowMs: number): number {
  const earned = (Math.max(0, nowMs - atMs) / 1_000) * AGENT_LIMITS.skipsPerSecond;
  return Math.min(AGENT_LIMITS.skipBurst, Math.floor(left + earned));
}
