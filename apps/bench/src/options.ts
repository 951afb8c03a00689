/**
 * The command line of the bench.
 * Owns flags, defaults and help; does nothing about them.
 */
import { parseArgs } from 'node:util';

import { BenchError } from './harness/bench-error.js';

export interface BenchOptions {
  /** Empty: all. */
  readonly names: readonly string[];
  /** Ids of cases; empty: all. */
  readonly cases: readonly string[];
  readonly rounds: number;
  readonly quick: boolean;
  /** Where results are merged into; null: nowhere. */
  readonly json: string | null;
  /** A commit whose committed results this run is compared with. */
  readonly connections: number;
  readonly minutes: number;
  readonly smallCaches: boolean;
  readonly compare: string | null;
  readonly profile: string | null;
  readonly document: boolean;
  readonly help: boolean;
}

const DEFAULT_ROUNDS = { full: 5, quick: 1 } as const;
const DEFAULT_MINUTES = { full: 10, quick: 0.5 } as const;
const DEFAULT_CONNECTIONS = { full: 9_900, quick: 200 } as const;

export function helpText(benches: readonly { name: string; title: string }[]): string {
  const rows = benches.map(({ name, title }) => `  ${name.padEnd(12)} ${title}`);
  return `Usage: pnpm bench [name…] [options]

Measures AgentMesh and its peers in turns, in the same run, and prints the ratios.
Peers that are missing are installed first (from npm into apps/bench/peers, and
nats-server and redis-server from Debian where that is allowed).

Benches:
${rows.join('\n')}

Options:
  --case ID       only this case of the named benches; may be given again
  --rounds N      rounds of each case, after one that warms up (default ${DEFAULT_ROUNDS.full})
  --connections N how many the bench of idle connections opens (default ${DEFAULT_CONNECTIONS.full})
  --minutes N     how long the bench of memory watches (default ${DEFAULT_MINUTES.full})
  --small-caches  the bench of memory with caches that fill before it begins to watch
  --quick         little work and one round: shows that everything runs
  --json FILE     merge the results into FILE
  --record        merge them into docs/performance/results.json and write the document anew
  --document      measure nothing; write docs/performance.md, its notes and charts from that file
  --compare REF   compare the ratios with the results that are committed at REF, such as main;
                  exit code 1 if one has become worse
  --profile DIR   write CPU profiles of our hub's process and of this one to DIR
  --help          this text
`;
}

/** Throws BAD_OPTION. */
export function optionsOf(
  args: readonly string[],
  known: readonly string[],
  recordFile: string,
): BenchOptions {
  const { values, positionals } = parse(args);
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new BenchError('BAD_OPTION', `${unknown.join(', ')}: there are ${known.join(', ')}`);
  }
  const quick = values.quick ?? false;
  const rounds = Number(values.rounds ?? DEFAULT_ROUNDS[quick ? 'quick' : 'full']);
  if (!Number.isInteger(rounds) || rounds < 1) throw new BenchError('BAD_OPTION', '--rounds');
  const connections = Number(values.connections ?? DEFAULT_CONNECTIONS[quick ? 'quick' : 'full']);
  if (!Number.isInteger(connections) || connections < 100 || connections > 9_900) {
    throw new BenchError('BAD_OPTION', '--connections: 100 to 9900');
  }
  const minutes = Number(values.minutes ?? DEFAULT_MINUTES[quick ? 'quick' : 'full']);
  if (!(minutes > 0)) throw new BenchError('BAD_OPTION', '--minutes');
  const record = values.record ?? false;
  if (record && quick) throw new BenchError('BAD_OPTION', 'a quick run is not recorded');
  return {
    names: positionals,
    cases: values.case ?? [],
    rounds,
    quick,
    json: record ? recordFile : (values.json ?? null),
    connections,
    minutes,
    smallCaches: values['small-caches'] ?? false,
    compare: values.compare ?? null,
    profile: values.profile ?? null,
    document: record || (values.document ?? false),
    help: values.help ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      // pnpm passes its own separator on.
      args: args.filter((arg) => arg !== '--'),
      allowPositionals: true,
      options: {
        case: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        quick: { type: 'boolean' },
        json: { type: 'string' },
        record: { type: 'boolean' },
        document: { type: 'boolean' },
        connections: { type: 'string' },
        minutes: { type: 'string' },
        'small-caches': { type: 'boolean' },
        compare: { type: 'string' },
        profile: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new BenchError('BAD_OPTION', `${detail} (see --help)`, { cause });
  }
}
