/**
 * Deep freezing for "nothing changes": plain objects are frozen, so that a write throws; typed
 * arrays cannot be frozen, so they and the bytes behind secrets are remembered and compared.
 */
import { Secret } from '../src/index.js';

/** Freezes everything reachable and returns a check: the paths whose bytes have changed since. */
export function freezeDeep(root: unknown): () => string[] {
  const seen = new Set<unknown>();
  const remembered: { path: string; now: () => Uint8Array; then: Uint8Array }[] = [];
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (value instanceof Uint8Array) {
      remembered.push({ path, now: () => value, then: new Uint8Array(value) });
      return;
    }
    if (value instanceof Secret) {
      const then = new Uint8Array(value.reveal());
      remembered.push({ path, now: () => value.reveal(), then });
    }
    Object.freeze(value);
    for (const [key, inner] of Object.entries(value)) visit(inner, `${path}.${key}`);
  };
  visit(root, '');
  return () =>
    remembered.filter(({ now, then }) => Buffer.compare(now(), then) !== 0).map(({ path }) => path);
}
