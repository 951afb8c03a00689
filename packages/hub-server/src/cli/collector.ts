/**
 * How much memory the `agentmesh-hub` command lets V8 take for objects that live briefly: by
 * default it is more than thousands of idle connections keep; and whether V8 collects in threads of
 * its own. Owns both choices. V8 reads them once: the process is replaced by itself with the flags;
 * id and streams stay, nothing was begun before.
 */

/** MiB. Below this a busy hub pays with processor time. */
const MOST_MIB = 8;
const FLAG = '--max-semi-space-size';
/** Up to here the loop waits for V8's helpers, and they for a processor (decision 93). */
const FEW_PROCESSORS = 2;
/** They answer and are gone. */
const BRIEF = new Set(['--help', '-h', '--version', '-v']);

/** The part of `process` that is used. */
export interface ReplaceableProcess {
  readonly execPath: string;
  readonly execArgv: readonly string[];
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly platform: string;
  /** Missing on Windows, and in older versions of Node: there it stays as it is. */
  readonly execve?: ((file: string, args: string[], env: NodeJS.ProcessEnv) => unknown) | undefined;
}

/**
 * Returns where nothing has to be done, or can be: an operator's own choice stays. `processors` is
 * asked only where the process is replaced: a Node too old for that may not know how many.
 */
export function chooseCollector(target: ReplaceableProcess, processors: () => number): void {
  const { execPath, execArgv, argv, env, platform, execve } = target;
  const isChosen = [...execArgv, env['NODE_OPTIONS'] ?? ''].some((text) =>
    text.includes('semi-space'),
  );
  const isBrief = argv.some((arg) => BRIEF.has(arg));
  if (isChosen || isBrief || platform === 'win32' || execve === undefined) return;
  const threads = processors() > FEW_PROCESSORS ? [] : ['--single-threaded-gc'];
  const args = [`${FLAG}=${MOST_MIB}`, ...threads, ...execArgv, ...argv.slice(1)];
  execve.call(target, execPath, [execPath, ...args], env);
}
