/**
 * Connections that are not yet the core's: no byte, half a TLS handshake, or an HTTP request.
 * Owns their number, rate and deadline by address (protocol.md §2.16); from the first frame on the
 * core keeps the same limits itself. Touches no socket: whoever asks acts on the answer.
 */

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
  readonly #present = new Map<string, number>();
  readonly #arrivals = new Map<string, number>();
  #second = 0;

  constructor(limits: LobbyLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#guests.size;
  }

  /** Null if the address has too many here, or comes too often. */
  enter(address: string, nowMs: number, dismiss: () => void): Guest | null {
    const second = Math.floor(nowMs / 1_000);
    if (second !== this.#second) this.#arrivals.clear();
    this.#second = second;
    const arrivals = (this.#arrivals.get(address) ?? 0) + 1;
    const present = this.#present.get(address) ?? 0;
    if (arrivals > this.#limits.newPerSecond || present >= this.#limits.perAddress) return null;
    this.#arrivals.set(address, arrivals);
    this.#present.set(address, present + 1);
    const guest: Guest = { address, sinceMs: nowMs, dismiss };
    this.#guests.add(guest);
    return guest;
  }

  /** To be called once at least; later calls do nothing. */
  leave(guest: Guest): void {
    if (!this.#guests.delete(guest)) return;
    const present = (this.#present.get(guest.address) ?? 0) - 1;
    if (present > 0) this.#present.set(guest.address, present);
    else this.#present.delete(guest.address);
  }

  /** Dismisses whoever has stayed too long. */
  tick(nowMs: number): void {
    for (const guest of this.#guests) {
      if (nowMs - guest.sinceMs <= this.#limits.stayMs) return;
      this.leave(guest);
      guest.dismiss();
    }
  }
}
