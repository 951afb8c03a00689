/**
 * Types of `programs.mjs`, for the tests that need programs beside Node.
 */

/** A program that tests or benchmarks start. */
export type ProgramName = 'nats-server' | 'redis-server' | 'chromium' | 'nc' | 'curl' | 'ip';

/** For the tests of the installer itself. */
export interface InstallOptions {
  readonly folder?: string;
  readonly install?: (packages: readonly string[]) => void;
}

export declare const PROGRAMS: Readonly<
  Record<ProgramName, { readonly debian: string; readonly names: readonly string[] }>
>;
export declare const TESTED: readonly ProgramName[];
export declare function findProgram(name: ProgramName): string | null;
export declare function mayInstall(): boolean;
export declare function ensureProgram(name: ProgramName, options?: InstallOptions): string | null;
export declare function ensurePrograms(
  names: readonly ProgramName[],
  options?: InstallOptions,
): Map<ProgramName, string | null>;
export declare function howToGet(names: readonly ProgramName[]): string;
