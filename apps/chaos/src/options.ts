/**
 * The options of `pnpm chaos`, read once. Owns their texts and defaults; faults are named in
 * `fault-names`.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { FAULT_NAMES } from './fault-names.js';
import type { FaultName } from './fault-names.js';

export const HELP = `Runs real agents and a real hub on this machine while everything goes wrong,
then lets them settle and checks what was promised.

  --duration 60s    how long things go wrong: seconds (s), minutes (m) or hours (h)
  --seed N          which faults, and when; default: by chance
  --agents N        3 or more (default 4)
  --settle 60s      how long all may take to settle after the last fault
  --store sqlite    sqlite: one hub with files of its own; nats: hubs over nodes of NATS
  --hubs N          with --store nats (default 2)
  --nodes N         with --store nats (default 3)
  --former FOLDER   agents and hubs begin as this earlier build, a checkout that is built, and are
                    upgraded one by one
  --faults a,b,…    only these:
${wrapped(FAULT_NAMES)}
  --keep            keep the folder with all files and ledgers
  --no-mounts       mount no small disks: full is then a store that says so
  --help            this text

Exits with 1 if a promise was broken, with 2 if an option is wrong.
`;

/** What a run is. */
export interface ChaosOptions {
  readonly durationMs: number;
  readonly settleMs: number;
  readonly seed: number;
  readonly agents: number;
  readonly hubs: number;
  /** Of NATS; 0 for a hub with files. */
  readonly nodes: number;
  readonly former: string | null;
  readonly faults: readonly FaultName[];
  readonly keep: boolean;
  /** Whether machines get disks of their own, where that can be had. */
  readonly smallDisks: boolean;
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };

/** The options; a text says what is wrong, null asks for help. */
export function optionsOf(args: readonly string[], seed: number): ChaosOptions | string | null {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const { values } = parseArgs({
      args: args.filter((arg) => arg !== '--'),
      options: {
        duration: text,
        seed: text,
        agents: text,
        settle: text,
        store: text,
        hubs: text,
        nodes: text,
        former: text,
        faults: text,
        keep: flag,
        'no-mounts': flag,
        help: flag,
      },
    });
    if (values.help === true) return null;
    const agents = wholeOf('--agents', values.agents ?? '4');
    if (agents < 3) return '--agents: 3 or more';
    const isNats = isNatsIn(values.store ?? 'sqlite');
    if (!isNats && (values.hubs ?? values.nodes) !== undefined) {
      return '--hubs and --nodes: with --store nats';
    }
    return {
      hubs: isNats ? wholeOf('--hubs', values.hubs ?? '2') : 1,
      nodes: isNats ? wholeOf('--nodes', values.nodes ?? '3') : 0,
      former: formerIn(values.former),
      durationMs: spanOf('--duration', values.duration ?? '60s'),
      settleMs: spanOf('--settle', values.settle ?? '60s'),
      seed: values.seed === undefined ? seed : wholeOf('--seed', values.seed),
      agents,
      faults: faultsOf(values.faults),
      keep: values.keep ?? false,
      smallDisks: values['no-mounts'] !== true,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isNatsIn(store: string): boolean {
  if (store !== 'sqlite' && store !== 'nats') {
    throw new RangeError(`--store: sqlite or nats, not ${store}`);
  }
  return store === 'nats';
}

function formerIn(folder: string | undefined): string | null {
  if (folder === undefined) return null;
  if (existsSync(join(folder, 'apps/chaos/dist/agent-program.js'))) return resolve(folder);
  throw new RangeError(`--former: a checkout with apps/chaos that is built, not ${folder}`);
}

/** Lines of names, as wide as the text around them. */
function wrapped(names: readonly string[]): string {
  const lines: string[] = [''];
  for (const name of names) {
    const last = lines.at(-1) ?? '';
    if (last.length + name.length > 70) lines.push(name);
    else lines[lines.length - 1] = last === '' ? name : `${last}, ${name}`;
  }
  return lines.map((line) => `                    ${line}`).join('\n');
}

function wholeOf(name: string, text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new RangeError(`${name}: a whole number, not ${text}`);
  return Number(text);
}

function spanOf(name: string, text: string): number {
  const match = /^(\d{1,6})([smh])$/.exec(text);
  if (match === null) throw new RangeError(`${name}: such as 90s, 10m or 1h, not ${text}`);
  return Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
}

function faultsOf(list: string | undefined): readonly FaultName[] {
  if (list === undefined) return FAULT_NAMES;
  const names = list.split(',');
  const unknown = names.find((name) => !(FAULT_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined) throw new RangeError(`--faults: there is no ${unknown}`);
  return names as FaultName[];
}
