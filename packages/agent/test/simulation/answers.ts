/**
 * In the end every agent answers every other one, a request and a stream each, and no store keeps
 * anything of a call that was read to its end. Owns these last questions.
 */
import { Violation } from './oracle.js';
import type { World } from './world.js';

const MINUTE_MS = 60_000;

/** Asks everybody; throws a Violation where an answer or the end of a row fails to come. */
export async function answers(
  world: World,
  pass: (spanMs: number, isOver: () => boolean) => Promise<unknown>,
): Promise<void> {
  const { agents, askers, calls, oracle, timeline, trace } = world;
  if (calls === null) return;
  trace.add('the last questions');
  timeline.idleness = 1;
  const last = agents.flatMap(({ name: from }, at) =>
    [...agents.slice(at + 1, at + 3), ...agents.slice(0, at).slice(-2)].flatMap(({ name: to }) =>
      [false, true].flatMap((isStream) => askers.get(from)?.askPlainly(to, isStream) ?? []),
    ),
  );
  const isAnswered = (): boolean => last.every(({ ends }) => ends.size > 0);
  await pass(4 * MINUTE_MS, isAnswered);
  for (const { question, from, to, ends } of last) {
    const [end = 'never ended'] = ends.values();
    if (end.startsWith('answered ')) continue;
    throw new Violation(`${to} does not answer ${from} in a healed world: ${question.n} ${end}`);
  }
  const left = (): string[] =>
    agents.flatMap(({ name }) =>
      [...oracle.holdingsOf(name).calls.rows].map((row) => `${name} ${row}`),
    );
  // Rows that are done with go with the next commit, or after a while. A store that was put back
  // may wait for what had come already, until the deadline of its request.
  await pass(25 * MINUTE_MS, () => left().length === 0);
  const [row] = left();
  if (row !== undefined) throw new Violation(`${row} is left of calls that have ended`);
}
