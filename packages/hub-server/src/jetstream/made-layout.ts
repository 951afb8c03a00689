/**
 * The layout that a store was made with, or is made with now, and all of its streams. Owns that
 * choice; names and settings are `layout`'s, making one stream `made-stream`'s.
 */
import * as z from 'zod';
import { Documents } from './documents.js';
import { JetStreamStoreError } from './jetstream-error.js';
import { Layout, LAYOUT_VERSION } from './layout.js';
import type { NatsLink } from './nats-link.js';

/** Counts only for the hub that makes the store. */
export interface LayoutWish {
  readonly shards: number;
  readonly replicas: number;
}

/** A layout whose streams are there. */
export interface MadeLayout {
  readonly layout: Layout;
  /** Whether all queues pass on what they store. */
  readonly handsOver: boolean;
}

const layoutShape = z.object({ version: z.number(), shards: z.number().int().min(1).max(64) });

/** Makes what is missing. STORE_VERSION for the layout of a newer version. */
export async function madeLayout(
  link: NatsLink,
  prefix: string,
  wish: LayoutWish,
): Promise<MadeLayout> {
  const layout = new Layout(prefix, await chosenShards(link, prefix, wish));
  const { replicas } = wish;
  const passing = await Promise.all(
    layout.plans.map(async (plan) => {
      const passesOn = await link.ensureStream(plan, replicas);
      return plan.republish === undefined || passesOn;
    }),
  );
  return { layout, handsOver: passing.every((isPassing) => isPassing) };
}

async function chosenShards(
  link: NatsLink,
  prefix: string,
  { shards, replicas }: LayoutWish,
): Promise<number> {
  const layout = new Layout(prefix, 0);
  await link.ensureStream(layout.metaPlan, replicas);
  const kind = { stream: layout.meta, shape: layoutShape };
  const chosen = await new Documents(link).update(kind, layout.metaSubject('layout'), (stored) => {
    const value = { version: LAYOUT_VERSION, shards };
    return stored === null ? { value, result: value } : { value: null, result: stored };
  });
  if (chosen.version > LAYOUT_VERSION) throw new JetStreamStoreError('STORE_VERSION');
  return chosen.shards;
}
