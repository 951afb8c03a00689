/**
 * Where there is no Node there is no accelerator: the browser's half of `#accelerator`.
 * Owns that answer only.
 */
import type { Search } from './types.js';

export function findAccelerator(): Promise<Search> {
  return Promise.resolve({ accelerator: null, problem: null });
}

export function warn(): void {}
