/**
 * Flags of the development cluster and its help. Owns what is valid and the defaults; what comes
 * of them is `plan`.
 */
import { parseArgs } from 'node:util';
import { ClusterError, MISUSED } from './cluster-error.js';

/** What to start, and where. */
export interface ClusterOptions {
  /** First port for hubs and for clients of NATS; 0 for any free ones. */
  readonly port: number;
  readonly natsPort: number;
  readonly nodes: number;
  readonly hubs: number;
  readonly data: string;
  /** Begins with an empty folder. */
  readonly fresh: boolean;
  /** Starts again what ends by itself. */
  readonly restart: boolean;
  /** Measures instead of waiting: on free ports, in a folder that goes away. */
  readonly measure: boolean;
}

export const HELP = `Usage: pnpm dev:cluster [flags]

Starts NATS nodes and hubs on this machine, prints how to reach them, shows what they say, and stops
all of them on Ctrl-C. Whatever ends by itself ends everything, unless --restart is given.

  --port PORT       of the first hub; the next ones follow; 0: any free ones  (7700)
  --nats-port PORT  of the first NATS node; +100 its monitor, +200 its peers  (4222)
  --hubs NUMBER     1 to 8                                                    (2)
  --nodes NUMBER    of NATS: 1, 3 or 5; each envelope is on up to 3 of them   (3)
  --data FOLDER     kept from one start to the next              (.agentmesh/cluster)
  --fresh           delete that folder first
  --restart         start again what ends by itself, after two seconds
  --measure         print what such a cluster does on this machine, and stop; uses free
                    ports and a folder of its own, whatever the other flags say
  --help            this text

It needs nats-server: the package nats-server of Debian, Ubuntu or Homebrew, or a binary from
https://github.com/nats-io/nats-server/releases in a folder of the PATH. Nothing is installed.
`;

const FLAGS = {
  port: { type: 'string', default: '7700' },
  'nats-port': { type: 'string', default: '4222' },
  hubs: { type: 'string', default: '2' },
  nodes: { type: 'string', default: '3' },
  data: { type: 'string', default: '.agentmesh/cluster' },
  fresh: { type: 'boolean', default: false },
  restart: { type: 'boolean', default: false },
  measure: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Null when help is wanted. */
export function readOptions(args: readonly string[]): ClusterOptions | null {
  const values = parsed(args);
  if (values.help) return null;
  if (values.data === '') throw misuse('--data names a folder');
  return {
    port: numberOf('port', values.port, [0, 65_000]),
    natsPort: numberOf('nats-port', values['nats-port'], [0, 65_000]),
    hubs: numberOf('hubs', values.hubs, [1, 8]),
    nodes: oddOf(numberOf('nodes', values.nodes, [1, 5])),
    data: values.data,
    fresh: values.fresh,
    restart: values.restart,
    measure: values.measure,
  };
}

function parsed(args: readonly string[]) {
  // A package manager hands a separating -- on.
  const own = args.filter((arg) => arg !== '--');
  try {
    return parseArgs({ args: own, options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    const [first = ''] = (error as Error).message.split('. ');
    throw misuse(first);
  }
}

function numberOf(flag: string, text: string, [least, most]: readonly [number, number]): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw misuse(`--${flag} is a number from ${least} to ${most}`);
}

/** An even number of nodes survives no more losses than the odd one below. */
function oddOf(nodes: number): number {
  if (nodes % 2 === 1) return nodes;
  throw misuse('--nodes is 1, 3 or 5');
}

function misuse(what: string): ClusterError {
  return new ClusterError(`${what} (try --help)`, MISUSED);
}
