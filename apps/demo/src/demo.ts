/**
 * Which examples there are and how they are run: in their order, each with a time limit, the first
 * failure not hiding the later ones. Everything comes through the public doors of the library.
 */
import { parseArgs } from 'node:util';
import { AgentMeshError, version } from 'agentmesh';
import { simpleChat } from './01-simple-chat.js';
import { multiAgent } from './02-multi-agent.js';
import { persistentKeys } from './03-persistent-keys.js';
import { llmAgents } from './04-llm-agents.js';
import { networkHub } from './05-network-hub.js';
import { DemoError } from './demo-error.js';
import type { Example } from './example.js';
import type { Environment } from './llm/endpoint.js';
import { Show } from './show.js';
import type { Screen } from './show.js';

/** The documented examples, in their order. */
export const EXAMPLES: readonly Example[] = [
  { name: '01-simple-chat', title: 'Two agents greet each other', run: simpleChat },
  { name: '02-multi-agent', title: 'A coordinator and four workers', run: multiAgent },
  {
    name: '03-persistent-keys',
    title: 'Keys and unread messages that outlive the process',
    run: persistentKeys,
  },
  { name: '04-llm-agents', title: 'Researcher, writer, reviewer', run: llmAgents },
  {
    name: '05-network-hub',
    title: 'A hub and two agents in processes of their own',
    run: networkHub,
  },
];

const HELP = `Usage: demo [example …]

Runs the examples of AgentMesh, all of them when none is named:
${EXAMPLES.map(({ name, title }) => `  ${name.padEnd(20)} ${title}`).join('\n')}
A number is enough: demo 01 04

04 uses the model that these variables name, or a local stand-in:
  OPENAI_BASE_URL      an endpoint that speaks the chat completions API
  OPENAI_API_KEY       its key, if it wants one
  OPENAI_MODEL         the model

  --help               this text
`;

const TIME_LIMIT_MS = 300_000;

/** Runs what the arguments ask for; the exit code: 0, 1 when an example failed, 2 for misuse. */
export async function demo(
  args: readonly string[],
  screen: Screen,
  env: Environment,
): Promise<number> {
  const show = new Show(screen, env);
  let chosen: readonly Example[];
  try {
    const { values, positionals } = parse(args);
    if (values.help === true) {
      screen.write(HELP);
      return 0;
    }
    chosen = choose(positionals);
  } catch (error) {
    show.failed(`${textOf(error)} (try --help)`);
    return 2;
  }
  show.say(`AgentMesh ${version}: each message as the agents saw it, and as the hub saw it.`);
  let failures = 0;
  for (const example of chosen) {
    if (!(await succeeds(example, screen, env))) failures += 1;
  }
  return failures === 0 ? 0 : 1;
}

function parse(args: readonly string[]) {
  const options = { help: { type: 'boolean', short: 'h' } } as const;
  // A package manager hands a separating -- on.
  return parseArgs({ args: args.filter((arg) => arg !== '--'), options, allowPositionals: true });
}

function choose(names: readonly string[]): readonly Example[] {
  if (names.length === 0) return EXAMPLES;
  return names.map((asked) => {
    const fits = ({ name }: Example): boolean => name === asked || name.slice(0, 2) === asked;
    const example = EXAMPLES.find(fits);
    if (example === undefined) throw new DemoError(`There is no example ${JSON.stringify(asked)}`);
    return example;
  });
}

async function succeeds(
  { name, title, run }: Example,
  screen: Screen,
  env: Environment,
): Promise<boolean> {
  const show = new Show(screen, env);
  show.title(`${name}: ${title}`);
  try {
    await withTimeLimit(run(show, env));
    return true;
  } catch (error) {
    show.failed(`${name} failed: ${textOf(error)}`);
    return false;
  }
}

async function withTimeLimit<Result>(running: Promise<Result>): Promise<Result> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new DemoError('It took too long')), TIME_LIMIT_MS);
  try {
    return await Promise.race([running, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** One line for what the user can put right, the whole stack for what only we can. */
function textOf(error: unknown): string {
  if (error instanceof AgentMeshError) return `${error.message} (${error.code})`;
  if (!(error instanceof Error)) return String(error);
  const expected = error instanceof DemoError || 'code' in error || 'status' in error;
  return expected ? error.message : (error.stack ?? error.message);
}
