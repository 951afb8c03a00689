/**
 * Runs one case: sets everybody up, checks their work, then measures in turns. Owns the order: each
 * round is everybody once, every second round backwards, so that nobody always follows the same
 * neighbour; the first round warms up and is thrown away.
 */
import { BenchError } from './bench-error.js';
import type { Case, Contender, Entrant, Sample } from './bench.js';
import type { CaseResult, ContenderResult } from './results.js';

/** How to run. */
export interface RoundOptions {
  readonly rounds: number;
  /** Told of each step. */
  readonly onProgress: (text: string) => void;
}

const HANGING_MS = 240_000;
const CLOSING_MS = 30_000;

interface Present {
  readonly entrant: Entrant;
  readonly contender: Contender;
  readonly samples: Sample[];
}

/** All samples of one case. A contender that is absent has none, and says why. */
export async function runCase(theCase: Case, options: RoundOptions): Promise<CaseResult> {
  const { onProgress } = options;
  const results = new Map<string, ContenderResult>();
  const present: Present[] = [];
  try {
    for (const entrant of theCase.entrants) {
      onProgress(`${theCase.title}: ${entrant.label} gets ready`);
      const opened = await inTime(
        entrant.open(),
        `${theCase.title}: ${entrant.label} getting ready`,
      );
      if ('absent' in opened) results.set(entrant.id, { ...nameOf(entrant), ...opened });
      else present.push({ entrant, contender: opened, samples: [] });
    }
    for (const { entrant, contender } of present) {
      onProgress(`${theCase.title}: ${entrant.label} shows that it works`);
      await inTime(contender.check(), `${theCase.title}: the proof of ${entrant.label}`);
    }
    await measure(theCase, present, options);
  } finally {
    for (const { entrant, contender } of present) {
      const closing = contender.close?.() ?? Promise.resolve();
      await inTime(closing, `${theCase.title}: the end of ${entrant.label}`, CLOSING_MS);
    }
  }
  for (const one of present) results.set(one.entrant.id, resultOf(one, theCase));
  const { id, title, measures, targets, axis } = theCase;
  const contenders = theCase.entrants.flatMap((entrant) => results.get(entrant.id) ?? []);
  return { id, title, measures, targets, ...(axis === undefined ? {} : { axis }), contenders };
}

async function measure(
  theCase: Case,
  present: readonly Present[],
  { rounds, onProgress }: RoundOptions,
): Promise<void> {
  const count = Math.min(rounds, theCase.mostRounds ?? rounds);
  const warmUps = count > 1 && theCase.mostRounds !== 1 ? (theCase.warmUps ?? 1) : 0;
  for (let round = -warmUps; round < count; round++) {
    const order = round % 2 === 0 ? present : present.toReversed();
    for (const { entrant, contender, samples } of order) {
      onProgress(`${theCase.title}: round ${Math.max(0, round + 1)} of ${count}, ${entrant.label}`);
      const sample = await inTime(
        contender.round(),
        `${theCase.title}: ${entrant.label}`,
        theCase.hangingMs,
      );
      if (round >= 0) samples.push(sample);
    }
  }
}

/** A guard against hanging, far above what any round takes. */
async function inTime<T>(work: Promise<T>, what: string, limitMs = HANGING_MS): Promise<T> {
  if (limitMs === Number.POSITIVE_INFINITY) return work;
  const tooLate = Promise.withResolvers<never>();
  const error = new BenchError('WRONG_RESULT', `${what} does not end`);
  const timer = setTimeout(tooLate.reject, limitMs, error);
  try {
    return await Promise.race([work, tooLate.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function nameOf({ id, label }: Entrant): Pick<ContenderResult, 'id' | 'label'> {
  return { id, label };
}

function resultOf({ entrant, contender, samples }: Present, { measures }: Case): ContenderResult {
  const columns = measures.map(({ name }) => {
    const column = samples.map((sample) => rounded(sample[name] ?? Number.NaN));
    if (column.some((value) => !Number.isFinite(value))) {
      throw new BenchError('WRONG_RESULT', `${entrant.label} gave no ${name}`);
    }
    return [name, column] as const;
  });
  const { version, durability } = contender;
  return {
    ...nameOf(entrant),
    version,
    ...(durability === undefined ? {} : { durability }),
    samples: Object.fromEntries(columns),
  };
}

/** Five digits say all that a measurement here can say. */
function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
