/**
 * `completion`: a script for a shell that completes commands and their options. Owns the scripts;
 * what there is to complete is read from the parser.
 */
import type { Command } from 'commander';
import { controlError } from '../control/error.js';
import type { CommandProcess } from './process.js';

const SHELLS: Readonly<Record<string, (words: Words) => string>> = { bash, zsh, fish };

/** What may follow a command, by its words: `dead-letters list`; by '' what comes first. */
type Words = ReadonlyMap<string, readonly string[]>;

/** Adds it. */
export function addCompletion(program: Command, command: CommandProcess): void {
  program
    .command('completion <shell>')
    .description('Print a completion script: bash, zsh or fish')
    .addHelpText('after', EXAMPLES)
    .action((shell: string) => {
      const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
      if (script === undefined) {
        throw controlError('BAD_OPTION', `${shell}: one of ${Object.keys(SHELLS).join(', ')}`);
      }
      command.print(script(wordsOf(program, '')));
    });
}

function wordsOf(group: Command, path: string): Map<string, string[]> {
  const options = group.options.flatMap(({ long, short }) => [long ?? short ?? '']);
  const names = group.commands.map((each) => each.name());
  const words = new Map([[path, [...names, ...options, '--help']]]);
  for (const each of group.commands) {
    const below = wordsOf(each, `${path} ${each.name()}`.trim());
    for (const [key, list] of below) words.set(key, list);
  }
  return words;
}

/** Words that are no options name the command; its options follow, or the commands below it. */
function bash(words: Words): string {
  const cases = [...words].map(([path, list]) => `    '${path}') words='${list.join(' ')}' ;;`);
  return `_agentmesh() {
  local path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  while :; do
    case "$path" in
${cases.join('\n')}
    esac
    if [ -n "$words" ] || [ -z "$path" ]; then break; fi
    case "$path" in *' '*) path="\${path% *}" ;; *) path='' ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _agentmesh agentmesh
`;
}

function zsh(words: Words): string {
  return `#compdef agentmesh
autoload -U +X bashcompinit && bashcompinit
${bash(words)}`;
}

function fish(words: Words): string {
  const lines = [...words].flatMap(([path, list]) => {
    const seen = path === '' ? '__fish_use_subcommand' : conditionOf(path);
    return list.map((word) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`;
      return `complete -c agentmesh -n '${seen}' ${what}`;
    });
  });
  return `${lines.join('\n')}\n`;
}

function conditionOf(path: string): string {
  return path
    .split(' ')
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join('; and ');
}

const EXAMPLES = `
Examples:
  source <(agentmesh completion bash)
  agentmesh completion fish > ~/.config/fish/completions/agentmesh.fish`;
