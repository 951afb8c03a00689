/**
 * Stories of a call that are told once for each point at which something can happen: each commit of
 * either side, before it is durable and after. Owns counting the points; what happens there, and
 * what must be true afterwards, the tests say.
 */
import type { Resident, World } from './world.js';

/** One commit of one side. */
export interface Point {
  readonly who: 'caller' | 'callee';
  readonly at: number;
  readonly when: 'before' | 'after';
}

export const POINTS = (['caller', 'callee'] as const).flatMap((who) =>
  (['before', 'after'] as const).map((when) => ({ who, when })),
);

/** Calls `act` at the point; the returned function says whether it was reached. */
export function at({ store }: Resident, point: Point, act: () => void): () => boolean {
  let count = 0;
  let isReached = false;
  const look = (): void => {
    if (count++ !== point.at) return;
    isReached = true;
    act();
  };
  if (point.when === 'before') store.beforeCommit = look;
  else store.afterCommit = look;
  return () => isReached;
}

/** Takes the point away. */
export function calm({ store }: Resident): void {
  store.beforeCommit = null;
  store.afterCommit = null;
}

/** Ends the process at this very point: nothing more is written or said. */
export function die(resident: Resident): never {
  const dead = (): never => {
    throw new TypeError('killed');
  };
  resident.store.beforeCommit = dead;
  return dead();
}

/** Rows of calls that are left on either side. */
export async function leftOf(...residents: readonly Resident[]): Promise<string[]> {
  const prefixes = ['call/', 'part/', 'inbox/', 'produced/', 'step/'];
  const left: string[] = [];
  for (const { name, store } of residents) {
    for (const key of (await store.rows()).keys()) {
      if (prefixes.some((prefix) => key.startsWith(prefix))) left.push(`${name} ${key}`);
    }
  }
  return left;
}

/** Tells a story at every point in turn, until one is not reached any more; returns how many. */
export async function everyPoint(
  { who, when }: Pick<Point, 'who' | 'when'>,
  story: (point: Point) => Promise<boolean>,
): Promise<number> {
  for (let at = 0; ; at++) if (!(await story({ who, when, at }))) return at;
}

/** Lets a minute pass, in which whatever is due comes about. */
export async function settle(world: World): Promise<void> {
  await world.advance(60_000);
}
