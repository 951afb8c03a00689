/** See `packing.mjs`. */
export function closureOf(name: string): Map<string, string>;
export function packAll(names: readonly string[], target: string): Map<string, string>;
export function installIn(
  folder: string,
  tarballs: ReadonlyMap<string, string>,
  what: {
    readonly wanted: readonly string[];
    readonly others?: Readonly<Record<string, string>>;
    readonly settings?: object;
  },
): void;
