/**
 * What must be true of calls whose caller, callee and hub were killed again and again: read from
 * what their processes wrote down, and from their stores. Owns the judgement.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { DatabaseSync } from 'node:sqlite';

interface Line {
  readonly what: string;
  readonly id: string;
  readonly n?: string;
  readonly items?: number;
  readonly code?: string;
  readonly value?: unknown;
}

/** Runs of a request after which it becomes a dead letter. */
const ATTEMPTS = 5;

/** The calls of one folder. */
export class CallJudge {
  readonly #folder: string;
  readonly #names: readonly string[];

  constructor(folder: string, names: readonly string[]) {
    this.#folder = folder;
    this.#names = names;
  }

  /** Calls that were durable and whose end nobody was told. */
  open(): string[] {
    const lines = this.#lines();
    const ended = new Set(of(lines, 'ended').map(({ id }) => id));
    return [...new Set(of(lines, 'asked').map(({ id }) => id))].filter((id) => !ended.has(id));
  }

  /** How often calls ended in each way, and how many runs of handlers were not the first. */
  counts(): Readonly<Record<string, number>> {
    const lines = this.#lines();
    const codes = new Map(of(lines, 'ended').map(({ id, code }) => [id, code ?? '']));
    const counts: Record<string, number> = {};
    for (const code of codes.values()) counts[code] = (counts[code] ?? 0) + 1;
    const runs = of(lines, 'runs');
    counts['runs again'] = runs.length - new Set(runs.map(({ id }) => id)).size;
    return counts;
  }

  /** Every way in which the notes contradict a promise; empty when all is well. */
  violations(): string[] {
    const lines = this.#lines();
    const wrong = of(lines, 'wrong item').map((line) => `wrong item ${JSON.stringify(line)}`);
    return [...wrong, ...alarms(lines), ...ends(lines), ...effects(lines)];
  }

  /** What is kept of calls in the stores, all of them closed: nothing. */
  leftovers(): string[] {
    return this.#names.flatMap((name) => {
      const database = new DatabaseSync(join(this.#folder, `${name}.db`), { readOnly: true });
      const rows = database.prepare('SELECT key FROM row').all();
      database.close();
      const keys = rows.map(({ key }) => String(key));
      return keys.filter((key) => /^(call|part|produced|step|inbox|outbox|dead)\//.test(key));
    });
  }

  #lines(): Line[] {
    return this.#names.flatMap((name) => {
      const lines = readFileSync(join(this.#folder, `${name}.log`), 'utf8').split('\n');
      // An agent that is killed while it writes leaves half a line.
      return lines.flatMap((line) => (line.endsWith('}') ? [JSON.parse(line) as Line] : []));
    });
  }
}

function of(lines: readonly Line[], what: string): Line[] {
  return lines.filter((line) => line.what === what);
}

/** No store stops, no number is lost, and nothing is answered that has its answer. */
function alarms(lines: readonly Line[]): string[] {
  const left = new Set(of(lines, 'left').map(({ id }) => id));
  const orphans = of(lines, 'orphan').filter(({ id }) => !left.has(id));
  return [
    ...of(lines, 'alarm').map((line) => `alarm ${JSON.stringify(line)}`),
    ...orphans.map(({ id }) => `${id} was answered again`),
  ];
}

/** One end for each call, and a true one. One that was told before a kill may be told again. */
function ends(lines: readonly Line[]): string[] {
  const runs = Map.groupBy(of(lines, 'runs'), ({ id }) => id);
  const begun = new Map(of(lines, 'begun').map(({ n, items }) => [n, items]));
  const left = new Set(of(lines, 'left').map(({ id }) => id));
  const kept = new Map(of(lines, 'effect kept').map(({ id, value }) => [id, value]));
  const told = Map.groupBy(of(lines, 'ended'), ({ id }) => id);
  return [...told].flatMap(([id, all]) => {
    const [first, ...others] = all;
    if (first === undefined) return [];
    const { code = '', value } = first;
    const about = `${id} ended with ${code} ${JSON.stringify(value)}`;
    if (others.some((other) => other.code !== code || !isSameEnd(other.value, value))) {
      return [`${about}, and with ${JSON.stringify(others)}`];
    }
    if (code === 'CANCELLED') return left.has(id) ? [] : [`${about}: nobody cancelled it`];
    const ran = runs.get(id) ?? [];
    if (code === 'FAILED') return ran.length < ATTEMPTS ? [`${about} after ${ran.length}`] : [];
    if (code !== 'answered') return [about];
    const answer = value as { n?: string; value?: number; items?: number; result?: Result };
    const isRun = ran.some(({ n }) => n === (answer.result ?? answer).n);
    if (!isRun) return [`${about}: that was not asked`];
    if (answer.result === undefined) return kept.get(id) === answer.value ? [] : [about];
    const { n, items } = answer.result;
    return begun.get(n) === items && answer.items === items ? [] : [`${about}: not all items`];
  });
}

interface Result {
  readonly n: string;
  readonly items: number;
}

/** A stream that was at its end before a restart gives no item again. */
function isSameEnd(a: unknown, b: unknown): boolean {
  const [one, other] = [a, b] as { result?: Result }[];
  return isDeepStrictEqual(one?.result ?? one, other?.result ?? other);
}

/** What a step has given is what it gives in every later run, and it does not run again. */
function effects(lines: readonly Line[]): string[] {
  const kept = new Map<string, unknown>();
  return lines.flatMap(({ what, id, value }) => {
    if (what === 'effect' && kept.has(id)) return [`the step of ${id} ran after it had ended`];
    if (what !== 'effect kept') return [];
    const before = kept.get(id);
    kept.set(id, value);
    return before === undefined || before === value ? [] : [`the step of ${id} has two results`];
  });
}
