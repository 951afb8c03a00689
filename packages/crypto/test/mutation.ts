/** Damage to byte strings for property tests: what a fuzzer would do, as a replayable value. */
import fc from 'fast-check';

interface Change {
  readonly kind: 'flip' | 'set' | 'insert' | 'delete' | 'copy' | 'swap' | 'cut';
  /** Where, as fractions of the length: values stay meaningful when the bytes shrink. */
  readonly at: number;
  readonly to: number;
  readonly byte: number;
}

/** One to three changes. */
export type Mutation = readonly Change[];

const fraction = fc.integer({ min: 0, max: 9_999 }).map((n) => n / 10_000);

export const anyMutation: fc.Arbitrary<Mutation> = fc.array(
  fc.record({
    // Flips come first and often: they keep the length, so most of them reach the inner checks.
    kind: fc.oneof(
      { weight: 6, arbitrary: fc.constant('flip' as const) },
      {
        weight: 4,
        arbitrary: fc.constantFrom('set', 'insert', 'delete', 'copy', 'swap', 'cut' as const),
      },
    ),
    at: fraction,
    to: fraction,
    byte: fc.oneof(fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff), fc.integer({ min: 0, max: 255 })),
  }),
  { minLength: 1, maxLength: 3 },
);

/** The bytes after the changes; may be the same bytes. */
export function mutate(bytes: Uint8Array, mutation: Mutation): Uint8Array {
  let result = [...bytes];
  for (const { kind, at, to, byte } of mutation) {
    const i = Math.floor(at * result.length);
    const j = Math.floor(to * result.length);
    if (kind === 'cut') result = result.slice(0, i);
    else if (kind === 'insert') result.splice(i, 0, byte);
    else if (kind === 'delete') result.splice(i, 1 + (byte & 7));
    else if (i < result.length && j < result.length) {
      const [here = 0, there = 0] = [result[i], result[j]];
      if (kind === 'flip') result[i] = here ^ (1 << (byte & 7));
      else if (kind === 'set') result[i] = byte;
      else if (kind === 'copy') result[i] = there;
      else [result[i], result[j]] = [there, here];
    }
  }
  return Uint8Array.from(result);
}
