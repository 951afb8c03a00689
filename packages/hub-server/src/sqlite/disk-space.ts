/**
 * How much may still be written: what the file system has, and the operator's quota.
 * Owns the rule that sending stops while there is room left to acknowledge and to read
 * (protocol.md §2.16). Readings are cached: they cost a system call.
 */

const MIB = 1024 * 1024;
/** Kept free on the file system for acknowledgements, the log and its return into the database. */
const LARGEST_RESERVE = 64 * MIB;
const RESERVE_SHARE = 0.1;
const QUOTA_SHARE = 0.9;
const READING_MS = 200;
/** Between two readings while there is no room. */
const SHORTEST_READING_MS = 5;
/** How long sending stays refused after the database itself found the disk full. */
const DOUBT_MS = 200;
/** Rows are larger than their blobs, and pages are written to the log and to the database. */
const WRITTEN_PER_BYTE = 3;
const WRITTEN_PER_ENVELOPE = 512;
/** What the shortest message takes: padding makes them 256 bytes at least. */
const SMALL_ENVELOPE = 512 * WRITTEN_PER_BYTE + WRITTEN_PER_ENVELOPE;

/** What the file system and the database say of themselves, in bytes. */
export interface DiskReading {
  readonly total: number;
  readonly free: number;
  /** Pages of the database that hold something. */
  readonly used: number;
  /** Pages of the database that hold nothing any more: what is new goes there first. */
  readonly unused?: number;
}

/** What the rule needs. */
export interface DiskSpaceOptions {
  readonly read: () => DiskReading;
  /** Null for no other bound than the file system. */
  readonly quotaBytes: number | null;
  readonly monotonic: () => number;
}

/** The verdict for each append. */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  #room = 0;
  #readMs = Number.NEGATIVE_INFINITY;
  #doubtUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  /** Whether an envelope of so many bytes may be written; counts it if so. */
  take(bytes: number): boolean {
    const nowMs = this.#options.monotonic();
    if (nowMs < this.#doubtUntilMs) return false;
    const written = bytes * WRITTEN_PER_BYTE + WRITTEN_PER_ENVELOPE;
    this.#look(nowMs, written);
    if (written > this.#room) return false;
    this.#room -= written;
    return true;
  }

  /** Whether not even a small envelope would be taken now. */
  get isFull(): boolean {
    const nowMs = this.#options.monotonic();
    if (nowMs < this.#doubtUntilMs) return true;
    this.#look(nowMs, SMALL_ENVELOPE);
    return this.#room < SMALL_ENVELOPE;
  }

  /** Bytes that the database may grow to before sending stops. */
  capacity(): number {
    const { read, quotaBytes } = this.#options;
    const { total, free, used } = read();
    const onDisk = used + free - Math.min(LARGEST_RESERVE, total * RESERVE_SHARE);
    return quotaBytes === null ? onDisk : Math.min(onDisk, quotaBytes * QUOTA_SHARE);
  }

  /** The database reported that the disk is full, whatever the file system says. */
  doubt(): void {
    this.#doubtUntilMs = this.#options.monotonic() + DOUBT_MS;
  }

  /** Reads again when the last reading is old, or says that what is wanted does not fit. */
  #look(nowMs: number, wanted: number): void {
    const age = nowMs - this.#readMs;
    if (age < READING_MS && (wanted <= this.#room || age < SHORTEST_READING_MS)) return;
    this.#room = this.#measure();
    this.#readMs = nowMs;
  }

  #measure(): number {
    const { read, quotaBytes } = this.#options;
    const { total, free, used, unused = 0 } = read();
    const reserve = Math.min(LARGEST_RESERVE, total * RESERVE_SHARE);
    // The log still needs room of its own for what then goes into unused pages.
    const room = free - reserve + Math.min(unused, reserve / 2);
    return quotaBytes === null ? room : Math.min(room, quotaBytes * QUOTA_SHARE - used);
  }
}
