/**
 * `completion`: a script for a shell that completes commands and their options. Owns the scripts;
 * what there is to complete is read from the parser.
 */
import { Argument } from 'commander';
import type { Command } from 'commander';
import type { CommandProcess } from './process.js';

const SHELLS: Readonly<Record<string, (words: Words) => string>> = { bash, zsh, fish };

/**
 * What may follow, by the words before it: a command such as `dead-letters`, or '' for what comes
 * first, and an option that takes a value, such as `send --wait`. No words: a value of any kind.
 */
type Words = ReadonlyMap<string, readonly string[]>;

/** Adds it. */
export function addCompletion(program: Command, command: CommandProcess): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'whose script it is').choices(Object.keys(SHELLS)))
    .description('Print a completion script: bash, zsh or fish')
    .addHelpText('after', EXAMPLES)
    .action((shell: string) => {
      command.print(SHELLS[shell]?.(wordsOf(program, '')) ?? '');
    });
}

function wordsOf(group: Command, path: string): Map<string, readonly string[]> {
  const at = (word: string): string => `${path} ${word}`.trim();
  const options = group.options.map((option) => option.long ?? option.short ?? '');
  const names = group.commands.map((each) => each.name());
  const [argument] = group.registeredArguments;
  const choices = argument?.argChoices ?? [];
  const words = new Map<string, readonly string[]>([
    [path, [...names, ...choices, ...options, '--help']],
  ]);
  for (const option of group.options) {
    if (option.required) words.set(at(option.long ?? ''), option.argChoices ?? []);
  }
  for (const each of group.commands) {
    for (const [key, list] of wordsOf(each, at(each.name()))) words.set(key, list);
  }
  return words;
}

/**
 * Words that are no options name the command; its options follow, or the commands below it. After
 * an option that takes any value the shell completes files.
 */
function bash(words: Words): string {
  const cases = [...words].map(([path, list]) => `    '${path}') words='${list.join(' ')}' ;;`);
  return `_agentmesh() {
  local path='' word words='' last="\${COMP_WORDS[COMP_CWORD-1]}"
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  case "$last" in --*) _agentmesh_words "$path $last"; [ "$words" = none ] && return ;; esac
  if [ -z "$words" ]; then _agentmesh_words "$path"; fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
# The longest beginning of these words after which something is known to follow.
_agentmesh_words() {
  local path="$1" option=''
  case "$path" in
    --*|*' --'*) option="--\${path##*--}"; path="\${path%--*}"; path="\${path% }" ;;
  esac
  while :; do
    case "$path\${option:+\${path:+ }$option}" in
${cases.join('\n')}
      *) words=unknown ;;
    esac
    if [ "$words" != unknown ] || [ -z "$path" ]; then break; fi
    case "$path" in *' '*) path="\${path% *}" ;; *) path='' ;; esac
  done
  if [ "$words" = unknown ]; then words=''; elif [ -z "$words" ]; then words=none; fi
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
      const value = words.get(`${path} ${word}`.trim());
      const takes =
        value === undefined ? '' : value.length === 0 ? ' -r' : ` -x -a '${value.join(' ')}'`;
      const what = word.startsWith('--') ? `-l ${word.slice(2)}${takes}` : `-f -a ${word}`;
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
