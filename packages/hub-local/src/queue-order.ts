/**
 * A queue in memory from some number on. Owns how that is found: what is before it, which may be
 * all that a recipient has in flight, is not passed over one by one at each reading.
 */

/** In their order. `waiting`: by number, in that order; `lastSeq`: the highest number ever. */
export function* waitingAfter<T extends { readonly seq: number }>(
  waiting: ReadonlyMap<number, T>,
  { after, lastSeq }: { readonly after: number; readonly lastSeq: number },
): Iterable<T> {
  if (lastSeq - after > waiting.size) {
    // Most numbers are gone: what is left is less than they are.
    for (const one of waiting.values()) if (one.seq > after) yield one;
    return;
  }
  for (let seq = after + 1; seq <= lastSeq; seq++) {
    const one = waiting.get(seq);
    if (one !== undefined) yield one;
  }
}
