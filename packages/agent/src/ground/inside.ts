/**
 * Whether a call comes out of a handler, or out of a loop over messages: `close` in there must not
 * wait for its own caller. Owns that question; one scope serves all agents of the process, since a
 * handler of one may close another.
 */
import { asyncScope } from '#async-scope';

/** Who runs the code around a call, innermost first. */
interface Surrounding {
  readonly owner: object;
  readonly outer: Surrounding | undefined;
}

const scope = asyncScope<Surrounding>();

/** Runs a task as part of an owner's work. */
export function runInside<Result>(owner: object, task: () => Result): Result {
  return scope.run({ owner, outer: scope.getStore() }, task);
}

/** What the caller does from now on is part of an owner's work. */
export function enter(owner: object): void {
  if (!isInside(owner)) scope.enterWith({ owner, outer: scope.getStore() });
}

/** Whether the caller is part of an owner's work. */
export function isInside(owner: object): boolean {
  for (let at = scope.getStore(); at !== undefined; at = at.outer) {
    if (at.owner === owner) return true;
  }
  return false;
}
