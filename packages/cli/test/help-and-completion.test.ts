/**
 * What the command says of itself: the help of every command, with examples that are commands, and
 * completions of everything that the parser knows.
 */
import { spawnSync } from 'node:child_process';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import type { CommandProcess } from '../src/command/process.js';
import { programOf, run } from '../src/command/run.js';

interface Said {
  stdout: string;
  stderr: string;
  status: number;
}

function processOf(args: readonly string[], said: Said): CommandProcess {
  return {
    args,
    env: { HOME: '/nonexistent' },
    cwd: '/nonexistent',
    version: '1.2.3',
    stdin: Readable.from([]),
    print: (text) => void (said.stdout += text),
    complain: (text) => void (said.stderr += text),
    exit: (code) => void (said.status = code),
    ask: null,
    onStop: () => () => undefined,
  };
}

async function agentmesh(...args: string[]): Promise<Said> {
  const said = { stdout: '', stderr: '', status: 0 };
  await run(processOf(args, said));
  return said;
}

const program = programOf(processOf([], { stdout: '', stderr: '', status: 0 }));

/** Every command with its words, groups too. */
function commandsOf(group: Command, path: readonly string[]): [string[], Command][] {
  return group.commands.flatMap((each): [string[], Command][] => {
    const words = [...path, each.name()];
    return [[words, each], ...commandsOf(each, words)];
  });
}

const all = commandsOf(program, []);
const leaves = all.filter(([, { commands }]) => commands.length === 0);

describe('the help', () => {
  test.each(leaves.map(([words]) => [words.join(' '), words] as const))(
    'of %s has examples, which are commands',
    async (name, words) => {
      const { stdout, status } = await agentmesh(...words, '--help');
      expect(status).toBe(0);
      const [, examples = ''] = stdout.split('Examples:\n');
      const lines = examples.split('\n').filter((line) => line.startsWith('  '));
      expect(lines.filter((line) => line.includes(`agentmesh ${name}`))).not.toEqual([]);
      for (const line of lines) {
        const options = [...line.matchAll(/ (--[a-z-]+)/g)].map(([, option]) => option);
        for (const option of options) expect(stdout).toContain(`  ${option}`);
      }
    },
  );

  test('of the command and of every group names the commands below', async () => {
    for (const [words, { commands }] of [[[], program] as const, ...all]) {
      const { stdout } = await agentmesh(...words, '--help');
      for (const each of commands) expect(stdout).toContain(`  ${each.name()}`);
    }
  });
});

describe('completion', () => {
  /** What bash offers after these words. */
  async function offered(...words: string[]): Promise<string[]> {
    const { stdout } = await agentmesh('completion', 'bash');
    const list = ['agentmesh', ...words].map((word) => `'${word}'`).join(' ');
    const script = `${stdout}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length}; _agentmesh
printf '%s\\n' "\${COMPREPLY[@]}"`;
    const result = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    expect(result.stderr).toBe('');
    return result.stdout.split('\n').filter((line) => line !== '');
  }

  test('in bash offers every command and every option of it', async () => {
    expect(await offered('wh')).toEqual(['whoami']);
    expect(await offered('')).toEqual(
      expect.arrayContaining(program.commands.map((each) => each.name())),
    );
    for (const [words, { options, commands }] of all) {
      const wanted = [
        ...options.map(({ long }) => long ?? ''),
        ...commands.map((each) => each.name()),
        '--help',
      ];
      expect([words, await offered(...words, '')]).toEqual([words, expect.arrayContaining(wanted)]);
    }
  });

  test('in bash offers values after an option, and files where any value will do', async () => {
    expect(await offered('send', 'bob', '--w')).toEqual(['--wait']);
    expect(await offered('send', 'bob', '--wait', 'de')).toEqual(['delivered']);
    expect(await offered('up', '--profile', 'bob', '--accept-from', '')).toEqual([
      'ask',
      'anyone',
      'known',
    ]);
    expect(await offered('send', 'bob', '--data', '')).toEqual([]);
    expect(await offered('send', 'bob', '--json', '--t')).toEqual(['--timeout', '--ttl']);
    expect(await offered('completion', 'f')).toEqual(['fish']);
  });

  test('in fish and zsh knows the same words, and no other shell is known', async () => {
    const fish = (await agentmesh('completion', 'fish')).stdout;
    expect(fish).toContain(
      `complete -c agentmesh -n '__fish_seen_subcommand_from send' -l wait -x -a 'queued accepted`,
    );
    for (const [words, { options }] of all) {
      for (const { long } of options) expect(fish).toContain(`-l ${(long ?? '').slice(2)}`);
      expect(fish).toContain(`-a ${words.at(-1)}`);
    }
    expect((await agentmesh('completion', 'zsh')).stdout).toMatch(/^#compdef agentmesh\n/);
    const other = await agentmesh('completion', 'csh');
    expect(other).toMatchObject({ status: 2, stdout: '' });
    expect(other.stderr).toContain('bash, zsh, fish');
  });
});
