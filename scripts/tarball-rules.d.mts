/**
 * Types of `tarball-rules.mjs`.
 */

/** Paths to texts, and what package.json says. */
export interface Tarball {
  readonly files: ReadonlyMap<string, string>;
  readonly manifest: Readonly<Record<string, unknown>>;
}

export declare function tarballFaults(tarball: Tarball): string[];
