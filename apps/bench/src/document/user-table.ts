/**
 * What a user gets, in a few lines: the figures with which `docs/performance.md` opens.
 * Owns the choice of figures and their words; each value is a recorded median of AgentMesh.
 */
import { OURS } from '../harness/bench.js';
import type { Results } from '../harness/results.js';
import { summaryOf } from '../harness/statistics.js';
import { figure } from '../harness/table.js';

interface UserFigure {
  readonly question: string;
  readonly bench: string;
  readonly case: string;
  readonly measure: string;
}

const FIGURES: readonly UserFigure[] = [
  {
    question: 'From `send()` to the handler, everything stored on the way (median)',
    bench: 'agents',
    case: 'pace',
    measure: 'p50',
  },
  {
    question: 'The same, for 99 of 100 messages',
    bench: 'agents',
    case: 'pace',
    measure: 'p99',
  },
  {
    question: 'Messages between two agents, as fast as they go',
    bench: 'agents',
    case: 'rate-1',
    measure: 'rate',
  },
  {
    question: 'Messages through one hub with SQLite, 256 bytes, one sender',
    bench: 'hub',
    case: '1-256',
    measure: 'rate',
  },
  {
    question: 'Messages through one hub with SQLite, 256 bytes, eight senders',
    bench: 'hub',
    case: '8-256',
    measure: 'rate',
  },
  {
    question: 'Processor time to encrypt and decrypt a message of 256 bytes',
    bench: 'seal',
    case: '256-one-way',
    measure: 'seal + open',
  },
  {
    question: 'Processor time to set up a session, both sides',
    bench: 'session',
    case: 'set-up',
    measure: 'set-up',
  },
  {
    question: 'Size of an encrypted message of 256 bytes',
    bench: 'size',
    case: 'size',
    measure: 'later, 256 B',
  },
  {
    question: 'Memory of a hub for an idle connection',
    bench: 'idle',
    case: 'idle',
    measure: 'memory',
  },
  {
    question: 'Start of an agent that knows 10,000 peers',
    bench: 'peers',
    case: 'many',
    measure: 'start',
  },
];

/** The table; a figure that was not measured says so. */
export function userTable(results: Results): string {
  const rows = FIGURES.map((one) => `| ${one.question} | ${valueOf(one, results)} |`);
  return ['| What | Measured |', '| --- | ---: |', ...rows].join('\n');
}

function valueOf(wanted: UserFigure, { benches }: Results): string {
  const bench = benches.find(({ name }) => name === wanted.bench);
  const result = bench?.cases.find(({ id }) => id === wanted.case);
  const unit = result?.measures.find(({ name }) => name === wanted.measure)?.unit;
  const samples = result?.contenders.find(({ id }) => id === OURS)?.samples?.[wanted.measure];
  if (unit === undefined || samples === undefined) return 'not measured';
  return `${figure(summaryOf(samples).median)} ${unit}`;
}
