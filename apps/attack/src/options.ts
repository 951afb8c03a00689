/**
 * The options of `pnpm attack`, read once. Owns their texts and defaults; attacks are named in
 * `catalogue`.
 */
import { parseArgs } from 'node:util';
import type { Side } from './attack.js';
import { parseAddress } from './target.js';
import type { Target } from './target.js';

export const HELP = `Attacks a hub, and an agent in a sandbox. Says of each attack what was
tried, what was promised and what was seen.

Without --hub, a hub of its own is started for each attack, and everything goes away afterwards.
Attack only a hub that you operate: names that begin with "attack-" stay registered there until
the hub forgets identities that were never used.

  --hub ADDRESS     attack this hub: host, host:port, tcps://… or tcp://… (without TLS)
  --hub-key KEY     the key that the hub must have, as it prints it
  --token TOKEN     registration token, where the hub asks for one; or AGENTMESH_TOKEN
  --agent PROGRAM   attack the agent of this program (a module for Node) instead of its own
  --against SIDE    only attacks on the hub or on the agent; with --hub: hub
  --only a,b,…      only these attacks, by name or by test, such as T-A1
  --short           leave out attacks that take more than some seconds
  --ratio N         also judge times: whoever is honest waits at most N times as long as
                    without the attack; for a machine that does nothing else
  --limit SECONDS   how long one attack may take (default 180)
  --list            print the catalogue and try nothing
  --json            one JSON object a line
  --help            this text

Exits with 0 if every promise held, 1 if one was broken, 2 if an option is wrong, and 3 if an
attack could not be tried.

Examples:
  pnpm attack --short
  pnpm attack --hub hub.example:7700 --hub-key KEY --token TOKEN
  pnpm attack --only stolen-token,unproven-refusal --json
  pnpm attack --ratio 3
`;

/** What is asked for. */
export interface AttackOptions {
  /** Null for a hub of the kit's own. */
  readonly target: Target | null;
  /** Null for the agent of this repository. */
  readonly agentProgram: string | null;
  readonly against: Side | null;
  readonly only: readonly string[] | null;
  readonly isShort: boolean;
  /** How many times as long the honest may wait under an attack; null where that is not judged. */
  readonly mostRatio: number | null;
  readonly limitMs: number;
  readonly isList: boolean;
  readonly isJson: boolean;
}

/** The options; a text says what is wrong, null asks for help. */
export function optionsOf(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): AttackOptions | string | null {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const { values } = parseArgs({
      args: args.filter((arg) => arg !== '--'),
      options: {
        hub: text,
        'hub-key': text,
        token: text,
        agent: text,
        against: text,
        only: text,
        short: flag,
        limit: text,
        ratio: text,
        list: flag,
        json: flag,
        help: flag,
      },
    });
    if (values.help === true) return null;
    const token = values.token ?? env['AGENTMESH_TOKEN'] ?? null;
    const target = targetOf(values.hub, values['hub-key'] ?? null, token);
    const against = sideOf(values.against) ?? (target === null ? null : 'hub');
    return {
      target,
      agentProgram: values.agent ?? null,
      against,
      only: values.only?.split(',') ?? null,
      isShort: values.short ?? false,
      mostRatio: ratioOf(values.ratio),
      limitMs: secondsOf(values.limit ?? '180') * 1_000,
      isList: values.list ?? false,
      isJson: values.json ?? false,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function targetOf(
  hub: string | undefined,
  hubKey: string | null,
  token: string | null,
): Target | null {
  if (hub === undefined) {
    if (hubKey !== null) throw new RangeError('--hub-key: give --hub too');
    return null;
  }
  if (hubKey !== null && !/^[\w-]{43}$/.test(hubKey)) {
    throw new RangeError('--hub-key: 43 characters, as the hub prints it');
  }
  const address = parseAddress(hub);
  if (address === null) {
    throw new RangeError(`--hub: host, host:port, tcps://… or tcp://…, not ${hub}`);
  }
  return { ...address, hubKey, token };
}

function sideOf(text: string | undefined): Side | null {
  if (text === undefined) return null;
  if (text !== 'hub' && text !== 'agent') {
    throw new RangeError(`--against: hub or agent, not ${text}`);
  }
  return text;
}

function secondsOf(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new RangeError(`--limit: seconds, not ${text}`);
  return Number(text);
}

function ratioOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,4}(?:\.\d+)?$/.test(text) || Number(text) < 1) {
    throw new RangeError(`--ratio: a number from 1 on, not ${text}`);
  }
  return Number(text);
}
