/**
 * `ask`: one answer, or one in parts as they come; also the operations of a contract, with flags.
 * Owns what is printed, and that a person who ends it cancels what was asked.
 */
import type { Command } from 'commander';
import type { AskRequest, ControlNews, StreamPart } from '../control/api.js';
import { ControlError, controlError } from '../control/error.js';
import type { Control } from '../holder/open-control.js';
import { answerText, printCall } from './calls.js';
import { msOf } from './duration.js';
import { contentOf } from './messages.js';
import type { ContentOptions } from './messages.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { quoted, shown } from './shown.js';
import { filesFor, printResult, withClient } from './with-client.js';

interface AskFlags extends ContentOptions {
  readonly timeout: string;
  readonly key?: string | undefined;
  readonly stream?: boolean | undefined;
  readonly contract?: string | undefined;
}

/** What is asked, and whether its answer comes in parts. */
interface Question {
  readonly request: AskRequest;
  readonly isStream: boolean;
}

/** By this the holder's news of our request are known. */
const TAG = 'ask';
const LONG_MS = 3_600_000;

/** Adds it. */
export function addAsk(program: Command, command: CommandProcess): void {
  agentCommand(program, 'ask <peer> [text] [flags...]', 'Ask another agent, and print its answer')
    .option('--data <json>', 'a JSON object, with or instead of the text')
    .option('--timeout <time>', 'how long the answer is wanted', '5m')
    .option('--key <key>', 'requests with one key are run once')
    .option('--stream', 'the answer comes in parts: print each as it comes')
    .option('--contract <id>', 'the text is an operation of this contract, with its flags after it')
    .allowUnknownOption()
    .addHelpText('after', EXAMPLES)
    .action(async (to: string, text: string | undefined, flags: string[], options: AskFlags) => {
      const { request, isStream } = await questionOf({ to, text, flags, options, command });
      await withClient(options, command, (control) =>
        cancelled(control, command, () =>
          isStream
            ? printStream(control, request, options, command)
            : printAnswer(control, request, options, command),
        ),
      );
    });
}

async function questionOf({
  to,
  text,
  flags,
  options,
  command,
}: {
  readonly to: string;
  readonly text: string | undefined;
  readonly flags: readonly string[];
  readonly options: AskFlags;
  readonly command: CommandProcess;
}): Promise<Question> {
  const { key, contract } = options;
  const timeoutMs = msOf(options.timeout, '--timeout');
  const common = { to, timeoutMs, key, tag: TAG };
  if (contract !== undefined) {
    const { op, value, isStream } = await operationOf(contract, text, flags, options, command);
    return { request: { ...common, op, value }, isStream };
  }
  const [unknown] = [text ?? '', ...flags].filter((word) => word.startsWith('--'));
  if (unknown !== undefined) {
    throw controlError('BAD_OPTION', `unknown option '${unknown}'; see agentmesh ask --help`);
  }
  if (flags.length > 0) {
    throw controlError('BAD_OPTION', `too many arguments: put the text in quotes`);
  }
  const content = await contentOf(text, options, command);
  return { request: { ...common, ...content }, isStream: options.stream === true };
}

async function operationOf(
  id: string,
  name: string | undefined,
  flags: readonly string[],
  options: AskFlags,
  command: CommandProcess,
) {
  const { contractOf } = await import('../profile/contracts.js');
  const { inputFrom } = await import('./operation-flags.js');
  const { misfitOf } = await import('../profile/misfit.js');
  const { operations } = contractOf(filesFor(options, command), id);
  const operation = Object.hasOwn(operations, name ?? '') ? operations[name ?? ''] : undefined;
  if (operation === undefined) {
    const names = Object.keys(operations).join(', ');
    throw controlError('BAD_OPTION', `${id} has no operation '${name ?? ''}'; it has ${names}`);
  }
  const { input, kind } = operation;
  const value =
    options.data === undefined ? inputFrom(flags, input) : (JSON.parse(options.data) as never);
  const misfit = await misfitOf(value, input);
  if (misfit !== null) throw controlError('BAD_OPTION', `${id}/${name ?? ''}: ${misfit}`);
  return { op: `${id}/${name ?? ''}`, value, isStream: kind === 'stream' };
}

/** The first signal gives the request up, and what it then ends with is printed. */
async function cancelled(
  control: Control,
  command: CommandProcess,
  work: () => Promise<void>,
): Promise<void> {
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => undefined);
  let id: string | null = null;
  const forgetNews = control.onNews((news, params) => {
    if (params.tag !== TAG) return;
    if (news === 'stored') ({ id } = params as ControlNews['stored']);
    else command.note?.(`${quoted((params as ControlNews['progress']).value)}\n`);
  });
  const forget = command.onStop(() => {
    const error = new ControlError({
      code: 'CANCELLED',
      retryable: false,
      message: 'Cancelled: nobody waits for the answer any more',
      remedy: null,
    });
    if (id === null) return stopped.reject(error);
    // Once it is durable that nobody waits.
    control.call('cancel', { id }).then(
      () => stopped.reject(error),
      () => stopped.reject(error),
    );
  });
  try {
    await Promise.race([work(), stopped.promise]);
  } finally {
    forget();
    forgetNews();
  }
}

async function printAnswer(
  control: Control,
  request: AskRequest,
  options: AskFlags,
  command: CommandProcess,
): Promise<void> {
  printCall(command, options, await control.call('ask', request));
}

/** Texts as they are, one after the other; other parts are a line of JSON each. */
async function printStream(
  control: Control,
  request: AskRequest,
  options: AskFlags,
  command: CommandProcess,
): Promise<void> {
  const { id } = await control.call('stream', request);
  let next = 0;
  let isOpenLine = false;
  const print = (part: StreamPart): void => {
    const text = typeof part.value === 'string' && part.base64 === null ? part.value : null;
    const line = `${isOpenLine ? '\n' : ''}${part.base64 ?? quoted(part.value)}\n`;
    printResult(command, options, part, text === null ? line : shown(text, '\n\t'));
    isOpenLine = text === null ? false : text === '' ? isOpenLine : !text.endsWith('\n');
  };
  for (;;) {
    const { parts, end } = await control.call('read', { id, waitMs: LONG_MS });
    for (const part of parts) {
      // After a change of the holder some come a second time.
      if (part.at >= next) print(part);
      next = Math.max(next, part.at + 1);
    }
    if (end === null) continue;
    if (isOpenLine && options.json !== true) command.print('\n');
    if (end.error !== null) throw new ControlError(end.error);
    const text = isEmpty(end.answer) ? '' : `${answerText(end.answer)}\n`;
    return printResult(command, options, end, text);
  }
}

/** A generator that returns nothing. */
function isEmpty(answer: unknown): boolean {
  return answer === null || (typeof answer === 'object' && Object.keys(answer).length === 0);
}

const EXAMPLES = `
Examples:
  agentmesh ask bob "which tests fail?"
  agentmesh ask bob "summarise" --timeout 30m --json
  agentmesh ask bob "tell me a story" --stream
  agentmesh ask bob --contract research@1 summarize --data '{"text":"one two three"}'

With --contract, the members of the operation's input are flags, such as --max-words 3. Flags that
ask has too, such as --key, come after --. Ctrl-C cancels the question.`;
