/**
 * Tells a connected sender what was not delivered. Owns which notices were pushed and when they may
 * be forgotten; the notices are the store's.
 *
 * No frame confirms a notice. But a client closes a connection on which it heard nothing for
 * `silenceMs`; so whatever it sends later than that after a push proves that it has read the push.
 * Only then the notice is forgotten: it is told at least once, over any loss of connection.
 */
import type { Link } from './link.js';
import type { HubStore, StoredNotice } from './hub-store.js';
import type { CoreLimits } from './core-limits.js';

/** What the feed needs of the hub. */
export interface NoticeFeedOptions {
  readonly sender: Uint8Array;
  readonly link: Link;
  readonly store: Pick<HubStore, 'notices' | 'dropNotices'>;
  readonly limits: CoreLimits;
  readonly onFailure: (error: unknown) => void;
}

/** From authentication to the end of the connection. */
export class NoticeFeed {
  readonly #options: NoticeFeedOptions;
  readonly #pushed: { readonly upTo: number; readonly atMs: number }[] = [];
  #cursor = 0;
  #behind = false;
  #reading = false;
  #open = true;

  constructor(options: NoticeFeedOptions) {
    this.#options = options;
  }

  /** Notices may have been stored. */
  wake(nowMs: number): void {
    this.#behind = true;
    this.pump(nowMs);
  }

  /** Pushes what waits, a page at a time; `nowMs` is steady time. */
  pump(nowMs: number): void {
    const { store, sender, limits, link, onFailure } = this.#options;
    if (!this.#open || this.#reading || !this.#behind) return;
    if (link.backlog > limits.backlogBytes) return;
    this.#reading = true;
    this.#behind = false;
    store.notices({ sender, after: this.#cursor, max: limits.noticePage }).then(
      (notices) => this.#take(notices, nowMs),
      (error: unknown) => {
        this.#reading = false;
        this.#behind = true;
        onFailure(error);
      },
    );
  }

  /** The client sent something: forgets what it must have read. */
  heard(nowMs: number): void {
    const { store, sender, limits, onFailure } = this.#options;
    let upTo = 0;
    for (;;) {
      const first = this.#pushed[0];
      if (first === undefined || nowMs - first.atMs <= limits.silenceMs) break;
      upTo = first.upTo;
      this.#pushed.shift();
    }
    if (upTo > 0) store.dropNotices({ sender, upTo }).catch(onFailure);
  }

  end(): void {
    this.#open = false;
  }

  #take(notices: readonly StoredNotice[], nowMs: number): void {
    const { link, limits } = this.#options;
    this.#reading = false;
    if (!this.#open) return;
    for (const { seq, id, what } of notices) {
      this.#cursor = seq;
      link.send({ type: 'notice', id, what });
    }
    if (notices.length > 0) this.#pushed.push({ upTo: this.#cursor, atMs: nowMs });
    if (notices.length >= limits.noticePage) this.#behind = true;
    this.pump(nowMs);
  }
}
