/**
 * The same where nothing tells what surrounds a call: browsers. The value is there until the task
 * waits for the first time.
 */
import type { AsyncScope } from './async-scope-node.js';

export function asyncScope<Value>(): AsyncScope<Value> {
  let current: Value | undefined;
  return {
    run(value, task) {
      const before = current;
      current = value;
      try {
        return task();
      } finally {
        current = before;
      }
    },
    enterWith() {},
    getStore: () => current,
  };
}
