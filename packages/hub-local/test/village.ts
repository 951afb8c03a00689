/** Hubs over one store in memory that hear each other, or do not, as the test wishes. */
import { MemoryHubStore } from '../src/index.js';
import type { HubNeighbours, HubStore, NameClaim, NeighbourListener } from '../src/index.js';
import { bench } from './core-harness.js';
import type { Bench } from './core-harness.js';
import type { CoreLimits } from '../src/index.js';

/** Runs from construction to the end of the test. */
export class Village {
  readonly hubs: Bench[] = [];
  /** Whether hints get through. */
  isConnected = true;
  readonly #store = new MemoryHubStore();
  readonly #listeners: (NeighbourListener | null)[] = [];
  readonly #newest = new Map<string, { connection: number; hub: number }>();

  static async of(size: number, limits: Partial<CoreLimits> = {}): Promise<Village> {
    const village = new Village();
    for (let at = 0; at < size; at++) {
      village.#listeners.push(null);
      village.hubs.push(await bench({ store: village.#door(at), limits }));
    }
    return village;
  }

  hub(at: number): Bench {
    const hub = this.hubs[at];
    if (hub === undefined) throw new TypeError(`no hub ${at}`);
    return hub;
  }

  /** Tells all hubs that something may have been lost. */
  missed(): void {
    for (const listener of this.#listeners) listener?.missed();
  }

  /** Lets everything come to rest at all hubs. */
  async settle(): Promise<void> {
    for (let round = 0; round < 3; round++) {
      for (const { host } of this.hubs) await host.settle();
    }
  }

  async pass(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) {
      for (const { host, core } of this.hubs) {
        host.nowMs += 1_000;
        core.tick();
      }
      await this.settle();
    }
  }

  /** The shared store as one hub sees it. */
  #door(at: number): HubStore {
    const store = this.#store;
    const own: Partial<HubStore> = {
      neighbours: this.#neighbours(at),
      claim: async (claim) => {
        const result = await store.claim(claim);
        if (result.status !== 'ok') return result;
        return { ...result, spent: await this.#takeOver(at, claim, result.connection) };
      },
    };
    return new Proxy<HubStore>(store, {
      get(target, key) {
        if (key in own) return own[key as keyof HubStore];
        const value: unknown = Reflect.get(target, key);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  #neighbours(at: number): HubNeighbours {
    return {
      tell: (news) => {
        if (!this.isConnected) return;
        this.#listeners.forEach((listener, other) => {
          if (other !== at) listener?.heard(news);
        });
      },
      listen: (listener) => {
        this.#listeners[at] = listener;
        return () => (this.#listeners[at] = null);
      },
      standing: async (aid) => {
        const bundle = await this.#store.takeBundle({ aid, oneTime: false, nowMs: 0 });
        const revoked = bundle !== null && bundle.revocation !== null;
        return { newestConnection: this.#newest.get(aid.join())?.connection ?? 0, revoked };
      },
    };
  }

  async #takeOver(hub: number, { aid }: NameClaim, connection: number) {
    const last = this.#newest.get(aid.join());
    this.#newest.set(aid.join(), { connection, hub });
    if (!this.isConnected || last === undefined || last.hub === hub) return null;
    return (await this.#listeners[last.hub]?.displaced(aid, connection)) ?? null;
  }
}
