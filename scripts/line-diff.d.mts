/**
 * Types of `line-diff.mjs`.
 */
export declare function lineDiff(before: string, after: string, maxLines?: number): string[];
