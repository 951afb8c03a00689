/**
 * The harness with made-up contenders: what it measures, in which order, how it judges, merges and
 * compares, and that unproven work is never timed. No peer and no server takes part.
 */
import { describe, expect, test } from '@jest/globals';

import { attemptCase } from '../src/harness/attempt.js';
import { BenchError } from '../src/harness/bench-error.js';
import { OURS } from '../src/harness/bench.js';
import type { Case, Contender, Entrant } from '../src/harness/bench.js';
import { compareResults } from '../src/harness/compare.js';
import { Progress } from '../src/harness/progress.js';
import { mergeResults, parseResults } from '../src/harness/results.js';
import type { BenchResult, CaseResult, Results } from '../src/harness/results.js';
import { runCase } from '../src/harness/rounds.js';
import { growthExponent, quantile, slopeOf, summaryOf } from '../src/harness/statistics.js';
import { benchTable } from '../src/harness/table.js';
import { linesOf } from '../src/harness/verdict.js';
import { optionsOf } from '../src/options.js';

const RATE = { name: 'rate', unit: 'messages/s', better: 'higher' } as const;
const silent = { onProgress: () => undefined };

function entrant(id: string, rate: number, log: string[] = []): Entrant {
  const contender: Contender = {
    version: '1.0',
    check: () => Promise.resolve(void log.push(`check ${id}`)),
    round: () => Promise.resolve({ rate: (log.push(id), rate) }),
    close: () => Promise.resolve(void log.push(`close ${id}`)),
  };
  return { id, label: id, open: () => Promise.resolve(contender) };
}

function caseOf(entrants: readonly Entrant[], atLeast = 1.5): Case {
  const targets = [{ measure: 'rate', against: 'peer', atLeast }];
  return { id: 'one', title: 'One', measures: [RATE], entrants, targets };
}

function resultOf(ours: readonly number[], theirs: readonly number[]): CaseResult {
  const contender = (id: string, rate: readonly number[]) => {
    return { id, label: id, version: '1', samples: { rate: [...rate] } };
  };
  const { id, title, measures, targets } = caseOf([]);
  const contenders = [contender(OURS, ours), contender('peer', theirs)];
  return { id, title, measures, targets, contenders };
}

function resultsOf(cases: readonly CaseResult[], name = 'bench'): Results {
  const machine = { cpu: 'c', cores: 2, memoryGiB: 1, system: 's', node: '24', disk: 'd' };
  const about = { title: 'Bench', takenAt: '2026-01-01', revision: 'abc', load: 0, quick: false };
  const bench: BenchResult = { name, ...about, cases };
  return { machine, benches: [bench] };
}

describe('runCase', () => {
  test('checks everybody first, warms up, then goes forwards and backwards in turns', async () => {
    const log: string[] = [];
    const entrants = [entrant(OURS, 2, log), entrant('peer', 1, log)];
    await runCase(caseOf(entrants), { rounds: 3, ...silent });
    const [us, peer] = [OURS, 'peer'];
    expect(log).toEqual([
      ...[`check ${us}`, `check ${peer}`],
      ...[peer, us],
      ...[us, peer, peer, us, us, peer],
      ...[`close ${us}`, `close ${peer}`],
    ]);
  });

  test('a failed proof stops the case before anything is timed, and closes everybody', async () => {
    const log: string[] = [];
    const liar = entrant('peer', 9, log);
    const open = async () => ({
      ...((await liar.open()) as Contender),
      check: () => Promise.reject(new BenchError('NOT_DURABLE', 'lost')),
    });
    const run = runCase(caseOf([entrant(OURS, 1, log), { ...liar, open }]), {
      rounds: 2,
      ...silent,
    });
    await expect(run).rejects.toMatchObject({ code: 'NOT_DURABLE' });
    expect(log).toEqual([`check ${OURS}`, `close ${OURS}`, 'close peer']);
  });

  test('whoever is absent has no samples and says why', async () => {
    const absent = { id: 'peer', label: 'Peer', open: () => Promise.resolve({ absent: 'gone' }) };
    const result = await runCase(caseOf([entrant(OURS, 1), absent]), { rounds: 1, ...silent });
    expect(result.contenders[1]).toEqual({ id: 'peer', label: 'Peer', absent: 'gone' });
    expect(linesOf(result).map(({ target }) => target)).toEqual([null, null]);
  });

  test('a round without its number is refused', async () => {
    const empty = { ...entrant(OURS, Number.NaN) };
    const run = runCase(caseOf([empty]), { rounds: 1, ...silent });
    await expect(run).rejects.toMatchObject({ code: 'WRONG_RESULT' });
  });
});

describe('attemptCase', () => {
  const failing = (times: number, fail: () => Promise<never>): Entrant => {
    const good = entrant(OURS, 1);
    let left = times;
    return { ...good, open: () => (left-- > 0 ? fail() : good.open()) };
  };
  const broken = () => Promise.reject(new BenchError('DID_NOT_START', 'redis-server'));

  test('what fails once is tried again', async () => {
    const steps: string[] = [];
    const onProgress = (text: string): void => void steps.push(text);
    const theCase = caseOf([failing(1, broken)]);
    const { result, failure } = await attemptCase(theCase, { rounds: 1, onProgress });
    expect(failure).toBeNull();
    expect(result.contenders[0]?.samples).toEqual({ rate: [1] });
    expect(steps).toContain('One: attempt 1 of 2 failed: DID_NOT_START: redis-server');
  });

  test('what fails again is reported as not measured, and ends nothing', async () => {
    const theCase = caseOf([failing(2, broken), entrant('peer', 1)]);
    const { result, failure } = await attemptCase(theCase, { rounds: 1, ...silent });
    expect(failure).toBe('One: DID_NOT_START: redis-server');
    const absent = 'failed: DID_NOT_START: redis-server';
    expect(result.contenders.map((one) => one.absent)).toEqual([absent, absent]);
    expect(benchTable(resultsOf([result]).benches[0]!)).toContain('not measured');
  });
});

describe('Progress', () => {
  const recorder = (isTTY: boolean) => {
    const written: string[] = [];
    let nowMs = 0;
    const output = { isTTY, columns: 20, write: (text: string) => written.push(text) };
    const progress = new Progress(output, () => nowMs);
    const at = (ms: number, text: string): void => {
      nowMs = ms;
      progress.tell(text);
    };
    return { written, at };
  };

  test('a file gets a line for each bench, and one in ten seconds', () => {
    const { written, at } = recorder(false);
    at(0, 'hub: begins');
    at(5_000, 'hub: round 1');
    at(9_000, 'seal: begins');
    at(62_000, 'seal: round 2');
    expect(written).toEqual([
      '0:00  hub: begins\n',
      '0:09  seal: begins\n',
      '1:02  seal: round 2\n',
    ]);
  });

  test('a terminal gets one line that overwrites itself', () => {
    const { written, at } = recorder(true);
    at(1_000, 'hub: a long story of rounds');
    expect(written).toEqual(['\r\u001B[2K0:01  hub: a long s']);
  });
});

describe('linesOf', () => {
  test('ratios are taken round by round: what disturbs a whole round changes nothing', () => {
    const [, peer] = linesOf(resultOf([200, 100, 20], [100, 50, 10]));
    expect(peer?.ratio).toEqual({ low: 2, median: 2, high: 2 });
    expect(peer?.target).toMatchObject({ text: '≥ 1.5 ×', reached: true });
  });

  test('a ratio below the target is missed', () => {
    const [, peer] = linesOf(resultOf([140], [100]));
    expect(peer?.target?.reached).toBe(false);
    expect(benchTable(resultsOf([resultOf([140], [100])]).benches[0]!)).toContain('MISSED');
  });
});

describe('compareResults', () => {
  const before = resultsOf([resultOf([200, 202, 198], [100, 100, 100])]);

  test.each([
    ['same', [190, 192, 188]],
    ['worse', [120, 122, 118]],
    ['better', [300, 302, 298]],
    // Its middle half reaches into the earlier one.
    ['same', [120, 150, 260]],
  ] as const)('says %s of a ratio of %j', (verdict, ours) => {
    const now = resultsOf([resultOf(ours, [100, 100, 100])]);
    expect(compareResults(before, now).map((change) => change.verdict)).toEqual([verdict]);
  });
});

test('a bench that ran again replaces itself and leaves the others', () => {
  const old = { ...resultsOf([]), benches: [...resultsOf([], 'a').benches] };
  const fresh = resultsOf([resultOf([1], [1])], 'b');
  const merged = mergeResults(old, fresh, ['b', 'a']);
  expect(merged.benches.map(({ name, cases }) => [name, cases.length])).toEqual([
    ['b', 1],
    ['a', 0],
  ]);
  expect(parseResults(JSON.stringify(merged), 'x')).toEqual(merged);
});

test('a text that is no file of results is refused', () => {
  expect(() => parseResults('{"benches":[]}', 'x')).toThrow('BAD_FILE');
});

describe('statistics', () => {
  test('quantiles are interpolated', () => {
    expect(summaryOf([4, 1, 3, 2, 5])).toEqual({ low: 2, median: 3, high: 4 });
    expect(quantile([0, 10], 0.25)).toBe(2.5);
  });

  test('the exponent names the growth law', () => {
    const curve = (power: number) => [1, 10, 1000].map((x) => [x, 3 * x ** power] as const);
    for (const power of [0, 1, 2]) expect(growthExponent(curve(power))).toBeCloseTo(power, 9);
  });

  test('the slope is that of the best line', () => {
    expect(slopeOf([0, 1, 2].map((x) => [x, 5 + 2 * x] as const))).toBeCloseTo(2, 9);
  });
});

describe('optionsOf', () => {
  const parse = (...args: string[]) => optionsOf(args, ['hub', 'seal'], 'record.json');

  test('names, rounds and files are read', () => {
    expect(parse('--', 'hub', '--rounds', '7', '--json', 'x.json')).toMatchObject({
      names: ['hub'],
      rounds: 7,
      json: 'x.json',
      document: false,
    });
    expect(parse('--record')).toMatchObject({ json: 'record.json', document: true, rounds: 5 });
  });

  test.each([[['hup']], [['--rounds', '0']], [['--fast']], [['--quick', '--record']]])(
    '%j is refused',
    (args) => {
      expect(() => parse(...args)).toThrow('BAD_OPTION');
    },
  );
});
