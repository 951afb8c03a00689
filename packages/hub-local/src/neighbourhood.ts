/**
 * One hub among others over the same store: tells them what was stored for agents that are not
 * connected here, hears it from them, and ends connections that are not the newest any more.
 * Owns that exchange and the slow look into the store that repairs a lost hint. Without neighbours
 * all of it does nothing.
 */
import { byteKey } from './byte-key.js';
import { ExpiryAgenda } from './expiry-agenda.js';
import type { Announcer, HubContext } from './hub-context.js';
import type { AgentSpending, HandedOver, HubNews, PutOff } from './neighbours.js';
import type { LiveSession } from './roster.js';

/** What it needs of the hub. */
export type NeighbourhoodHub = Omit<HubContext, 'neighbourhood' | 'routed'>;

/** How long a lost hint may stay unnoticed. */
const LOOK_MS = 15_000;
/** Looks that are due at once are spread: this much between two of them. */
const SPREAD_MS = 1;
/** Senders at other hubs that one turn tells of what waits for a decision: these are hints. */
const MOST_PUT_OFF = 256;

type AgentRate = keyof AgentSpending;
const AGENT_RATES = ['sends', 'sendBytes', 'requests', 'refusals'] as const;

/** One per hub. */
export class Neighbourhood implements Announcer {
  readonly #hub: NeighbourhoodHub;
  /** When each connected agent's queue is looked into without a hint, by byte key. */
  readonly #looks = new ExpiryAgenda();
  readonly #stopListening: () => void;
  #news = emptyNews();
  #telling = false;

  constructor(hub: NeighbourhoodHub) {
    this.#hub = hub;
    const listening = hub.store.neighbours?.listen({
      isConnected: (aid) => hub.roster.of(aid) !== undefined,
      heard: (news) => this.#heard(news),
      displaced: (aid, connection) => this.#displaced(aid, connection),
      missed: () => this.#missed(),
    });
    this.#stopListening = listening ?? (() => undefined);
  }

  get handsOver(): boolean {
    return this.#hub.store.neighbours?.attend !== undefined;
  }

  attend({ identity, delivery }: LiveSession): () => void {
    const hear = ({ follows, ...envelope }: HandedOver): void => delivery.offer(envelope, follows);
    const failed = (error: unknown): void => {
      this.#hub.observer.failed?.(error);
      // It may have come in the place of an envelope.
      delivery.wake();
    };
    const { neighbours } = this.#hub.store;
    return neighbours?.attend?.(identity.aid, hear, failed) ?? (() => undefined);
  }

  stored(recipient: Uint8Array): void {
    this.#tell((news) => news.stored.set(byteKey(recipient), recipient));
  }

  found(recipient: Uint8Array): void {
    if (this.#hub.store.neighbours === undefined) return;
    const session = this.#hub.roster.of(recipient);
    if (session === undefined) this.stored(recipient);
    else session.delivery.wake();
  }

  noticed(sender: Uint8Array): void {
    this.#tell((news) => news.noticed.set(byteKey(sender), sender));
  }

  putOff(sender: Uint8Array, id: Uint8Array, reason: string): void {
    const session = this.#hub.roster.of(sender);
    if (session !== undefined) return session.putOff(id, reason);
    this.#tell(({ putOff }) => {
      if (putOff.length < MOST_PUT_OFF) putOff.push({ sender, id, reason });
    });
  }

  fetched(requester: Uint8Array, target: Uint8Array): void {
    this.#tell((news) => news.fetched.push({ requester, target }));
  }

  revoked(aid: Uint8Array): void {
    this.#tell((news) => news.revoked.set(byteKey(aid), aid));
  }

  admitted(session: LiveSession): void {
    if (this.#hub.store.neighbours === undefined) return;
    this.#looks.set(session.key, this.#hub.steady.now() + LOOK_MS);
    void this.#check(session);
  }

  /** Looks after those whose turn it is. */
  tick(nowMs: number): void {
    for (let key = this.#looks.take(nowMs); key !== null; key = this.#looks.take(nowMs)) {
      const session = this.#hub.roster.get(key);
      if (session === undefined) continue;
      this.#looks.set(key, nowMs + LOOK_MS);
      session.delivery.wake();
      session.notices.wake(nowMs);
      void this.#check(session);
    }
  }

  stop(): void {
    this.#stopListening();
  }

  /** What one turn of the loop brings is told at once. */
  #tell(add: (news: GatheredNews) => void): void {
    const { neighbours } = this.#hub.store;
    if (neighbours === undefined) return;
    add(this.#news);
    if (this.#telling) return;
    this.#telling = true;
    this.#hub.host.defer(() => {
      const { stored, noticed, putOff, fetched, revoked } = this.#news;
      this.#news = emptyNews();
      this.#telling = false;
      neighbours.tell({
        stored: [...stored.values()],
        noticed: [...noticed.values()],
        putOff,
        fetched,
        revoked: [...revoked.values()],
      });
    });
  }

  #heard({ stored, noticed, putOff, fetched, revoked }: HubNews): void {
    const { roster, steady, rates } = this.#hub;
    const nowMs = steady.now();
    for (const recipient of stored) roster.of(recipient)?.delivery.wake();
    for (const sender of noticed) roster.of(sender)?.notices.wake(nowMs);
    for (const { sender, id, reason } of putOff) roster.of(sender)?.putOff(id, reason);
    for (const { requester, target } of fetched) {
      const [from, of] = [byteKey(requester), byteKey(target)];
      rates.bundlesOfRequester.spend(from, 1, nowMs);
      rates.bundlesOfTarget.spend(of, 1, nowMs);
      rates.bundlesOfPair.spend(from + of, 1, nowMs);
    }
    for (const aid of revoked) roster.revoke(aid);
  }

  async #displaced(aid: Uint8Array, connection: number): Promise<AgentSpending> {
    const { roster, rates, steady } = this.#hub;
    const key = byteKey(aid);
    const session = roster.get(key);
    if (session !== undefined && session.connection < connection) await this.#end(session);
    else await this.#settled();
    const take = (rate: AgentRate): number => rates[rate].release(key, steady.now());
    return {
      sends: take('sends'),
      sendBytes: take('sendBytes'),
      requests: take('requests'),
      refusals: take('refusals'),
    };
  }

  #missed(): void {
    let dueMs = this.#hub.steady.now();
    for (const key of this.#hub.roster.keys()) {
      dueMs += SPREAD_MS;
      this.#looks.set(key, dueMs);
    }
  }

  /** What it held is back in the queue, where its agent's new hub has to look again. */
  async #end(session: LiveSession): Promise<void> {
    session.close('DISPLACED');
    await this.#settled();
    this.stored(session.identity.aid);
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#hub.writer.whenSettled(resolve);
    });
  }

  /** Ends a session that is void, or not the newest of its agent: also if nobody said so. */
  async #check(session: LiveSession): Promise<void> {
    const { store, roster, observer } = this.#hub;
    const { aid } = session.identity;
    try {
      const standing = await store.neighbours?.standing(aid);
      if (standing?.revoked === true) roster.revoke(aid);
      else if (standing !== undefined && standing.newestConnection > session.connection) {
        await this.#end(session);
      }
    } catch (error) {
      // The next look asks again.
      observer.failed?.(error);
    }
  }
}

/** What an agent had spent at the hub it comes from counts here. */
export function adoptSpending(
  { rates, steady }: Pick<HubContext, 'rates' | 'steady'>,
  key: string,
  spending: AgentSpending,
): void {
  const nowMs = steady.now();
  for (const rate of AGENT_RATES) {
    if (spending[rate] > 0) rates[rate].spend(key, spending[rate], nowMs);
  }
}

interface GatheredNews {
  readonly stored: Map<string, Uint8Array>;
  readonly noticed: Map<string, Uint8Array>;
  readonly putOff: PutOff[];
  readonly fetched: { requester: Uint8Array; target: Uint8Array }[];
  readonly revoked: Map<string, Uint8Array>;
}

function emptyNews(): GatheredNews {
  return { stored: new Map(), noticed: new Map(), putOff: [], fetched: [], revoked: new Map() };
}
