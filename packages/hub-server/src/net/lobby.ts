/**
 * Connections that are not yet the core's: no byte, half a TLS handshake, or an HTTP request.
 * Owns their number, rate and deadline by source (protocol.md §2.16); from the first frame on the
 * core keeps the same limits itself. Touches no socket: the caller acts on the answer.
 *
 * Behind a forwarder all have one address. So a connection that has waited for a while gives way to
 * the next one: a few silent connections keep no other out.
 */

/** After this an honest client has said something, and may be dismissed for a newcomer. */
const GRACE_MS = 250;

/** Bounds of the lobby. */
export interface LobbyLimits {
  /** At once from one address. */
  readonly perAddress: number;
  /** Per second from one address. */
  readonly newPerSecond: number;
  /** How long one may stay. */
  readonly stayMs: number;
}

/** One connection in the lobby. */
export interface Guest {
  readonly address: string;
  readonly sinceMs: number;
  /** Called when it has stayed too long. */
  readonly dismiss: () => void;
}

/** Everybody waiting. */
export class Lobby {
  readonly #limits: LobbyLimits;
  readonly #guests = new Set<Guest>();
  readonly #present = new Map<string, Set<Guest>>();
  readonly #arrivals = new Map<string, number>();
  #second = 0;

  constructor(limits: LobbyLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#guests.size;
  }

  /**
   * Null if the address comes too often, or has too many here of whom none has been here for long;
   * else the oldest of them is dismissed for the new one.
   */
  enter(address: string, nowMs: number, dismiss: () => void): Guest | null {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) this.#arrivals.clear();
    this.#second = second;
    const arrivals = (this.#arrivals.get(address) ?? 0) + 1;
    if (arrivals > this.#limits.newPerSecond || !this.#makeWay(address, nowMs)) return null;
    this.#arrivals.set(address, arrivals);
    const guest: Guest = { address, sinceMs: nowMs, dismiss };
    this.#guests.add(guest);
    const present = this.#present.get(address) ?? new Set();
    this.#present.set(address, present.add(guest));
    return guest;
  }

  /** Whether there is room for one more of this address. */
  #makeWay(address: string, nowMs: number): boolean {
    const present = this.#present.get(address);
    if (present === undefined || present.size < this.#limits.perAddress) return true;
    // In the order of their coming.
    const [oldest] = present;
    if (oldest === undefined || nowMs - oldest.sinceMs < GRACE_MS) return false;
    this.leave(oldest);
    oldest.dismiss();
    return true;
  }

  /** To be called once at least; later calls do nothing. */
  leave(guest: Guest): void {
    if (!this.#guests.delete(guest)) return;
    const present = this.#present.get(guest.address);
    present?.delete(guest);
    if (present?.size === 0) this.#present.delete(guest.address);
  }

  /** Dismisses connections that have stayed too long. */
  tick(nowMs: number): void {
    for (const guest of this.#guests) {
      if (nowMs - guest.sinceMs <= this.#limits.stayMs) return;
      this.leave(guest);
      guest.dismiss();
    }
  }
}
