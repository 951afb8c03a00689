/**
 * What an example is to the program that runs it, and the little that all of them need.
 * Owns no example.
 */
import type { Environment } from './llm/endpoint.js';
import type { Show } from './show.js';

/** One of the documented examples. */
export interface Example {
  /** `01-simple-chat`: how it is named on the command line. */
  readonly name: string;
  readonly title: string;
  /** Runs it; rejects when anything is not as it should be. */
  readonly run: (show: Show, env: Environment) => Promise<unknown>;
}

/** Resolves once it was called `count` times: for handlers that the main thread waits for. */
export function countdown(count: number): {
  readonly done: Promise<void>;
  readonly step: () => void;
} {
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = count;
  const step = (): void => {
    left -= 1;
    if (left === 0) resolve();
  };
  return { done: promise, step };
}
