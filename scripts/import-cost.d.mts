/**
 * Types of `import-cost.mjs`.
 */
export declare function importCost(entry: string, runs?: number): number;
