/**
 * `skill …`: the skill for coding agents, put where they look for it. Owns the places, and that
 * nothing of somebody else is overwritten; the text is a file of the umbrella package.
 */
import type { Command } from 'commander';
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { controlError } from '../control/error.js';
import type { CommandProcess } from './process.js';
import { printResult } from './with-client.js';

interface Place {
  /** The folder that shows that this coding agent is here. */
  readonly home: string;
  /** Where it looks, in the home of the user and in a project. */
  readonly user: string;
  readonly project: string;
}

const SHARED = { user: '.agents/skills', project: '.agents/skills' } as const;

/** By the name for `--for`. Those that share a folder find each other's skills there. */
const PLACES: Readonly<Record<string, Place>> = {
  claude: { home: '.claude', user: '.claude/skills', project: '.claude/skills' },
  codex: { home: '.codex', ...SHARED },
  openclaw: { home: '.openclaw', user: '.openclaw/skills', project: 'skills' },
  cursor: { home: '.cursor', user: '.cursor/skills', project: '.cursor/skills' },
  gemini: { home: '.gemini', user: '.gemini/skills', project: '.gemini/skills' },
  agents: { home: '.agents', ...SHARED },
};

const NAME = 'agentmesh';
/** The line by which a skill of ours is known. */
const OURS = `name: ${NAME}`;

interface SkillFlags {
  readonly user?: boolean | undefined;
  readonly project?: boolean | undefined;
  readonly for?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Adds them. */
export function addSkill(program: Command, command: CommandProcess): void {
  const group = program.command('skill').description('The skill for coding agents');
  const names = Object.keys(PLACES).join(', ');
  group
    .command('install')
    .description('Put the skill where coding agents look for it')
    .option('--user', 'for all projects of this user (default)')
    .option('--project', 'for the project in the working folder')
    .option('--for <agents>', `${names}, several by commas (default: those that are here)`)
    .option('--json', 'print JSON, one object a line')
    .addHelpText('after', EXAMPLES)
    .action((options: SkillFlags) => {
      for (const { agent, file } of install(options, command)) {
        printResult(command, options, { agent, file }, `${agent}: ${file}\n`);
      }
    });
  group
    .command('show')
    .description('Print the skill')
    .addHelpText(
      'after',
      `
Examples:
  agentmesh skill show`,
    )
    .action(() => command.print(skillText(command)));
}

function install(options: SkillFlags, command: CommandProcess): { agent: string; file: string }[] {
  const { env, cwd } = command;
  if (options.user === true && options.project === true) {
    throw controlError('BAD_OPTION', '--user and --project exclude each other');
  }
  const isProject = options.project === true;
  const home = env['HOME'] ?? homedir();
  const agents = options.for === undefined ? agentsIn(home) : agentsNamed(options.for);
  const text = skillText(command);
  return agents.map((agent) => {
    const place = PLACES[agent] ?? SHARED;
    const folder = isProject ? join(cwd, place.project) : join(home, place.user);
    const file = join(folder, NAME, 'SKILL.md');
    write(file, text);
    return { agent, file };
  });
}

function agentsIn(home: string): string[] {
  const here = Object.keys(PLACES).filter((name) =>
    existsSync(join(home, PLACES[name]?.home ?? '')),
  );
  return here.length === 0 ? ['agents'] : here;
}

function agentsNamed(list: string): string[] {
  const names = list.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !Object.hasOwn(PLACES, name));
  if (wrong === undefined) return names;
  const known = Object.keys(PLACES).join(', ');
  throw controlError('BAD_OPTION', `--for ${wrong}: one of ${known}`);
}

function skillText({ extras = {} }: CommandProcess): string {
  if (extras.skillFile !== undefined) return readFileSync(extras.skillFile, 'utf8');
  throw controlError('BAD_OPTION', 'skill: npm install agentmesh, whose command has it');
}

/** Whole or not at all; an older one of ours is replaced, nothing else. */
function write(file: string, text: string): void {
  const stats = lstatSync(file, { throwIfNoEntry: false });
  if (stats !== undefined && !(stats.isFile() && isOurs(file))) {
    throw controlError('BAD_OPTION', `${file} is not ours: move it away`);
  }
  try {
    mkdirSync(dirname(file), { recursive: true });
    const next = `${file}.next`;
    writeFileSync(next, text, { flush: true });
    renameSync(next, file);
  } catch (error) {
    throw controlError('BAD_OPTION', `${file}: ${(error as Error).message}`, error);
  }
}

function isOurs(file: string): boolean {
  return readFileSync(file, 'utf8').split('\n').slice(0, 20).includes(OURS);
}

const EXAMPLES = `
Examples:
  agentmesh skill install
  agentmesh skill install --project --for claude
  agentmesh skill show`;
