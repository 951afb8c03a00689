/**
 * The heap of this process: what is alive after a collection, and which kinds of objects there are.
 * Owns the measuring; what may grow is for whoever asks.
 */
import { createReadStream, rmSync } from 'node:fs';
import { json } from 'node:stream/consumers';
import { getHeapStatistics, writeHeapSnapshot } from 'node:v8';
import { join } from 'node:path';

import { collectGarbage } from '../harness/collect-garbage.js';
import { SCRATCH } from '../harness/machine.js';

/** Bytes in use after everything dead is gone, buffers outside of the heap included. */
export function liveBytes(): number {
  collectGarbage();
  collectGarbage();
  const { used_heap_size: heap, external_memory: outside } = getHeapStatistics();
  return heap + outside;
}

/** How many objects of each kind are alive, and their bytes. */
export type Census = ReadonlyMap<string, { readonly count: number; readonly bytes: number }>;

interface Snapshot {
  readonly snapshot: { readonly meta: { node_fields: string[]; node_types: [string[]] } };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/** From a heap snapshot, which is removed again. */
export async function takeCensus(): Promise<Census> {
  const path = writeHeapSnapshot(join(SCRATCH, `agentmesh-bench-${process.pid}.heapsnapshot`));
  const { snapshot, nodes, strings } = (await json(createReadStream(path))) as Snapshot;
  rmSync(path);
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const at = (name: string): number => fields.indexOf(name);
  const [type, name, size] = [at('type'), at('name'), at('self_size')];
  const census = new Map<string, { count: number; bytes: number }>();
  for (let node = 0; node < nodes.length; node += fields.length) {
    const kind = types[0][nodes[node + type] ?? 0] ?? '';
    const isNamed = kind === 'object' || kind === 'closure';
    const key = isNamed ? `${kind} ${strings[nodes[node + name] ?? 0]}` : kind;
    const entry = census.get(key) ?? { count: 0, bytes: 0 };
    entry.count += 1;
    entry.bytes += nodes[node + size] ?? 0;
    census.set(key, entry);
  }
  return census;
}

/** The kinds that have grown most between two moments, as lines. */
export function growthOf(before: Census, after: Census, most = 12): string[] {
  return [...after]
    .map(([kind, { count, bytes }]) => {
      const old = before.get(kind) ?? { count: 0, bytes: 0 };
      return { kind, count: count - old.count, bytes: bytes - old.bytes };
    })
    .filter(({ bytes }) => bytes > 0)
    .toSorted((a, b) => b.bytes - a.bytes)
    .slice(0, most)
    .map(({ kind, count, bytes }) => `${(bytes / 1024).toFixed(0)} KiB, ${count} × ${kind}`);
}
