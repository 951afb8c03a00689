/**
 * Types of `reference.mjs`, for its test.
 */
import type ts from 'typescript';

/** A code of a class of errors, with the comment above it. */
export interface DocumentedCode {
  readonly code: string;
  readonly sentence: string | null;
}

export interface DocumentedErrors {
  readonly name: string;
  readonly sentence: string | null;
  /** Whether it carries the code of another error. */
  readonly borrows: boolean;
  readonly codes: readonly DocumentedCode[];
}

export declare function errorClassesIn(source: ts.SourceFile): DocumentedErrors[];
export declare function remedyOf(
  message: string,
  sentence: string | null,
): { readonly what: string; readonly remedy: string | null };
export declare function faultsOf(parts: {
  readonly options: readonly unknown[];
  readonly events: readonly { readonly name: string; readonly sentence: string | null }[];
  readonly errors: readonly {
    readonly name: string;
    readonly sentence: string | null;
    readonly borrows: boolean;
    readonly codes: readonly { readonly code: string; readonly remedy: string | null }[];
  }[];
}): string[];
