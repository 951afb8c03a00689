/** See `packing.mjs`. */
export function closureOf(name: string): Map<string, string>;
export function pack(source: string, target: string): string;
export function installIn(
  folder: string,
  tarballs: ReadonlyMap<string, string>,
  what: { readonly wanted: readonly string[]; readonly others?: Readonly<Record<string, string>> },
): void;
