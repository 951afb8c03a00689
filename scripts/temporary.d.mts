/** A folder of this process in memory, to be removed by it; null where there is no such place. */
export function folderInMemory(): string | null;
