/**
 * Which store NATS holds, and which course of its time (hub.md §4). Owns that document. A hub draws
 * a new timeline when it starts and whenever NATS was away: the streams may have been restored from
 * a copy meanwhile, and no hub can tell.
 */
import { fromBase64Url, toBase64Url } from '@agentmesh/protocol';
import type { RandomSource, StoreTimelines } from '@agentmesh/protocol';
import * as z from 'zod';
import type { DocumentKind, Documents } from './documents.js';
import type { Layout } from './layout.js';

const shape = z.object({ store: z.base64url(), timeline: z.base64url() });
type Timeline = z.output<typeof shape>;

const LENGTH = 16;

/** One per store. */
export class Timelines {
  readonly #documents: Documents;
  readonly #kind: DocumentKind<Timeline>;
  readonly #subject: string;
  readonly #random: RandomSource;
  /** No hub may say that time went on before this one has drawn a new timeline. */
  #isInDoubt = true;

  constructor(documents: Documents, layout: Layout, random: RandomSource) {
    this.#documents = documents;
    this.#kind = { stream: layout.meta, shape };
    this.#subject = layout.metaSubject('timeline');
    this.#random = random;
  }

  /** NATS was out of reach. */
  doubt(): void {
    this.#isInDoubt = true;
  }

  /** What agents are told: what the hubs of all have drawn last. */
  async read(): Promise<StoreTimelines> {
    if (this.#isInDoubt) await this.#renew();
    const stored = await this.#documents.get(this.#kind, this.#subject);
    const { store, timeline } = stored?.value ?? (await this.#renew());
    return { store: fromBase64Url(store), timelines: [fromBase64Url(timeline)] };
  }

  async #renew(): Promise<Timeline> {
    const timeline = toBase64Url(this.#random(LENGTH));
    const next = await this.#documents.update<Timeline, Timeline>(
      this.#kind,
      this.#subject,
      (stored) => {
        const value = { store: stored?.store ?? toBase64Url(this.#random(LENGTH)), timeline };
        return { value, result: value };
      },
    );
    this.#isInDoubt = false;
    return next;
  }
}
