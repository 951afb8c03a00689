/**
 * What NATS keeps, by its own count: bytes and messages of the streams of the hubs. Owns the
 * reading of its monitoring page; each stream is asked for where it leads.
 */
import * as z from 'zod';
import { ClusterError } from '../cluster-error.js';
import { HOST } from '../plan.js';
import type { NodePlan } from '../plan.js';

const page = z.object({
  account_details: z
    .array(
      z.object({
        stream_detail: z
          .array(
            z.object({
              name: z.string(),
              cluster: z.object({ leader: z.string().optional() }).optional(),
              state: z.object({ bytes: z.number(), messages: z.number() }),
            }),
          )
          .default([]),
      }),
    )
    .default([]),
});

/** One copy of everything. */
export async function storedBytes(nodes: readonly NodePlan[]): Promise<number> {
  let sum = 0;
  for (const { name, monitor } of nodes) {
    const answer = await fetch(`http://${HOST}:${monitor}/jsz?accounts=true&streams=true`);
    const read = page.safeParse(await answer.json());
    if (!read.success) throw new ClusterError(`the monitoring page of ${name} is not understood`);
    for (const { cluster, state } of read.data.account_details.flatMap(
      ({ stream_detail: streams }) => streams,
    )) {
      if (cluster === undefined || cluster.leader === name) sum += state.bytes;
    }
  }
  return sum;
}
