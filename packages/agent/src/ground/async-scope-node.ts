/**
 * What surrounds a call, seen from inside of it however many turns later, where the platform can
 * tell: Node and whatever has its `AsyncLocalStorage`. Owns nothing but the choice.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** A value that belongs to a task and to all that the task begins. */
export interface AsyncScope<Value> {
  /** Runs a task with a value. */
  run<Result>(value: Value, task: () => Result): Result;
  /** Gives the value to what the present task does from now on. */
  enterWith(value: Value): void;
  getStore(): Value | undefined;
}

export function asyncScope<Value>(): AsyncScope<Value> {
  return new AsyncLocalStorage<Value>();
}
