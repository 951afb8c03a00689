/**
 * Leases on disk, beside the store: whoever holds the agent next knows which messages somebody has.
 * Owns the file. It holds hashes of ids and times, and losing it costs nothing but that a message
 * is given out again earlier.
 */
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { Clock } from '../machine.js';

/** Which message of which sender. */
export interface LeasedMail {
  readonly address: string;
  readonly id: string;
}

const FORMAT = 1;

/** `alice.leases` beside `alice.db`. */
export function leasePathOf(storePath: string): string {
  return `${storePath.replace(/\.db$/, '')}.leases`;
}

/** The leases of one agent. */
export class LeaseBook {
  readonly #path: string | null;
  readonly #clock: Clock;
  readonly #untilMs: Map<string, number>;

  /** `path`: null for an agent without files, whose leases end with it. */
  constructor(path: string | null, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#untilMs = path === null ? new Map<string, number>() : read(path);
  }

  /** How long somebody still has this message; 0 if nobody has. */
  leftMs(mail: LeasedMail): number {
    return Math.max(0, (this.#untilMs.get(keyOf(mail)) ?? 0) - this.#clock());
  }

  /** Whether any lease goes on. */
  get isEmpty(): boolean {
    this.#forgetEnded();
    return this.#untilMs.size === 0;
  }

  /** Somebody has these messages from now on. */
  note(mails: readonly LeasedMail[], leaseMs: number): void {
    if (mails.length === 0) return;
    const untilMs = this.#clock() + leaseMs;
    for (const mail of mails) this.#untilMs.set(keyOf(mail), untilMs);
    this.#write();
  }

  /** Nobody has this message any more. */
  end(mail: LeasedMail): void {
    if (this.#untilMs.delete(keyOf(mail))) this.#write();
  }

  #forgetEnded(): void {
    const nowMs = this.#clock();
    for (const [key, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(key);
  }

  /** Whole or not at all; what a loss of power takes is not missed. */
  #write(): void {
    if (this.#path === null) return;
    this.#forgetEnded();
    try {
      if (this.#untilMs.size === 0) return rmSync(this.#path, { force: true });
      const leases = Object.fromEntries(this.#untilMs);
      const next = `${this.#path}.next`;
      writeFileSync(next, `${JSON.stringify({ format: FORMAT, leases })}\n`, { mode: 0o600 });
      renameSync(next, this.#path);
    } catch {
      // A full disk: leases then last as long as this holder.
    }
  }
}

/** What an earlier holder has written; nothing where that cannot be read. */
function read(path: string): Map<string, number> {
  try {
    const { format, leases } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    if (format !== FORMAT || typeof leases !== 'object' || leases === null) return new Map();
    const entries = Object.entries(leases as Record<string, unknown>);
    return new Map(
      entries.flatMap(([key, until]) => (Number.isFinite(until) ? [[key, until as number]] : [])),
    );
  } catch {
    return new Map();
  }
}

/** Who has sent what is nobody's business, also on this disk. */
function keyOf({ address, id }: LeasedMail): string {
  return createHash('sha256').update(`${address} ${id}`).digest('base64url');
}
