/**
 * `send`, `inbox`, `reply`, `ack`, `refuse`: each parses, calls one method and prints. Owns
 * what they print.
 */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { Content, JsonMembers, Mail, SentMail } from '../control/api.js';
import { ControlError, controlError } from '../control/error.js';
import type { Control } from '../holder/open-control.js';
import { countOf, msOf } from './duration.js';
import type { CommandProcess } from './process.js';
import { EXIT } from './process.js';
import { agentCommand } from './program.js';
import { shown } from './shown.js';
import { printResult, withClient } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Options that say what is sent. */
export interface ContentOptions extends CommonOptions {
  readonly data?: string | undefined;
}

/** Adds them. */
export function addMessages(program: Command, command: CommandProcess): void {
  addSend(program, command);
  addInbox(program, command);
  addDecisions(program, command);
}

function addSend(program: Command, command: CommandProcess): void {
  agentCommand(program, 'send <peer> [text]', 'Send a message; - reads the text from stdin')
    .option('--data <json>', 'a JSON object, with or instead of the text')
    .addOption(
      new Option('--wait <state>', 'wait until this is so').choices(ORDER).default('accepted'),
    )
    .option('--timeout <time>', 'how long to wait (10s; 1m for delivered, 5m for handled)')
    .option('--ttl <time>', 'how long the message is wanted')
    .addHelpText('after', EXAMPLES.send)
    .action(async (to: string, text: string | undefined, options: SendFlags) => {
      const { wait } = options;
      const waitMs = msOf(options.timeout ?? WAITS[wait], '--timeout');
      const ttlMs = options.ttl === undefined ? undefined : msOf(options.ttl, '--ttl');
      const content = await contentOf(text, options, command);
      const { sent, isAlone } = await withClient(options, command, async (client) => {
        const done = await client.call('send', { to, ...content, wait, waitMs, ttlMs });
        return { sent: done, isAlone: await client.isHolder() };
      });
      printResult(command, options, sent, `${sent.state} ${sent.id}\n`);
      if (ORDER.indexOf(sent.state) < ORDER.indexOf(wait)) throw lateError(sent, wait, isAlone);
    });
}

interface SendFlags extends ContentOptions {
  readonly wait: (typeof ORDER)[number];
  readonly timeout?: string | undefined;
  readonly ttl?: string | undefined;
}

/** A peer says that it has a message half a minute after it came, or when it is handled. */
const WAITS = { queued: '10s', accepted: '10s', delivered: '1m', handled: '5m' } as const;
const ORDER = ['queued', 'accepted', 'delivered', 'handled'] as const;

/**
 * The message is kept: sending it again would send it twice. `isAlone`: nobody holds the agent
 * after this command.
 */
function lateError({ id, state }: SentMail, wanted: string, isAlone: boolean): ControlError {
  const about = { retryable: false, remedy: null };
  if (state !== 'queued') {
    const message = `Not ${wanted} in time: the hub has message ${id}; do not send it again`;
    return new ControlError({ code: 'TIMEOUT', message, ...about });
  }
  const who = isAlone ? 'by agentmesh up, or by the next command that reaches it' : 'by itself';
  const message =
    `The hub does not take it now: message ${id} is kept, and is sent ${who} once the hub is ` +
    'there; do not send it again';
  return new ControlError({ code: 'QUEUED', message, ...about });
}

function addInbox(program: Command, command: CommandProcess): void {
  agentCommand(program, 'inbox', 'Print messages; each stays until reply, ack or refuse')
    .option('--wait <time>', 'how long to wait for the first')
    .option('--max <count>', 'at most so many', '10')
    .option('--lease <time>', 'how long they are for nobody else', '5m')
    .option('--from <peer>', 'only those of this sender; verified: of verified ones')
    .option('--peek', 'only look: take none')
    .addHelpText('after', EXAMPLES.inbox)
    .action(async (options: InboxFlags) => {
      const max = countOf(options.max, '--max', 1_000);
      const leaseMs = options.peek === true ? 0 : msOf(options.lease, '--lease');
      const { from } = options;
      const given = options.wait === undefined ? null : msOf(options.wait, '--wait');
      const { messages } = await withClient(options, command, async (control) => {
        const found = await control.call('inbox', { max, waitMs: given ?? 0, leaseMs, from });
        if (found.messages.length === 0) await assertHub(control);
        return found;
      });
      for (const mail of messages) printResult(command, options, mail, pageOf(mail));
      if (messages.length === 0 && given !== null) command.exit(EXIT.late);
    });
}

/** No mail is no news where the hub has it. HUB_AWAY. */
async function assertHub(control: Control): Promise<void> {
  const hubs = await control.hubsAway();
  if (hubs === null) return;
  throw controlError('HUB_AWAY', `no mail is here; what waits at ${hubs} is not known`);
}

interface InboxFlags extends CommonOptions {
  readonly wait?: string | undefined;
  readonly max: string;
  readonly lease: string;
  readonly from?: string | undefined;
  readonly peek?: boolean | undefined;
}

/** A message as a person or a model reads it, and what can be done with it. */
export function pageOf({ id, prompt, asks }: Mail): string {
  const answer = asks === null ? '' : ' (its sender waits for an answer)';
  const ways = `reply ${id} "…" | ack ${id} | refuse ${id} --reason "…"`;
  return `${prompt}\nagentmesh ${ways}${answer}\n\n`;
}

function addDecisions(program: Command, command: CommandProcess): void {
  agentCommand(program, 'reply <id> [text]', 'Answer a message; with that it is handled')
    .option('--data <json>', 'a JSON object, with or instead of the text')
    .option('--from <peer>', 'its sender, where two have used one id')
    .option('--keep', 'the message stays in the inbox')
    .option('--timeout <time>', 'how long the answer may take to be kept here', '10s')
    .addHelpText('after', EXAMPLES.reply)
    .action(async (id: string, text: string | undefined, options: AnswerFlags) => {
      const content = await contentOf(text, options, command);
      const { from, keep } = options;
      const waitMs = msOf(options.timeout, '--timeout');
      const sent = await withClient(options, command, (client) =>
        client.call('reply', { id, from, keep, waitMs, ...content }),
      );
      printResult(command, options, sent, `sent ${sent.id}\n`);
    });
  agentCommand(program, 'ack <id...>', 'Messages are handled, and leave the inbox')
    .option('--from <peer>', 'their sender, where two have used one id')
    .addHelpText('after', EXAMPLES.ack)
    .action(async (ids: string[], options: ReplyFlags) => {
      await withClient(options, command, async (client) => {
        for (const id of ids) await client.call('ack', { id, from: options.from });
      });
      printResult(command, options, { acked: ids }, `${ids.length} handled\n`);
    });
  agentCommand(program, 'refuse <id>', 'Refuse a message for good; its sender is told why')
    .requiredOption('--reason <text>', 'what its sender is told')
    .option('--from <peer>', 'its sender, where two have used one id')
    .addHelpText('after', EXAMPLES.refuse)
    .action(async (id: string, options: ReplyFlags & { readonly reason: string }) => {
      const { from, reason } = options;
      await withClient(options, command, (client) => client.call('refuse', { id, from, reason }));
      printResult(command, options, { refused: id }, `refused ${id}\n`);
    });
}

interface AnswerFlags extends ReplyFlags {
  readonly timeout: string;
}

interface ReplyFlags extends ContentOptions {
  readonly from?: string | undefined;
  readonly keep?: boolean | undefined;
}

/** The text, or that of standard input, and the object. BAD_OPTION where there is neither. */
export async function contentOf(
  text: string | undefined,
  { data }: ContentOptions,
  { stdin }: CommandProcess,
): Promise<Content> {
  const members = data === undefined ? undefined : membersOf(data);
  if (text === undefined && members === undefined) {
    const ways = `a text in quotes, - to read it from standard input, or --data '{"key":"value"}'`;
    throw controlError('BAD_OPTION', `Nothing to send: give ${ways}`);
  }
  if (text !== '-') return { text, data: members };
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
  return { text: Buffer.concat(chunks).toString('utf8'), data: members };
}

function membersOf(text: string): JsonMembers {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw controlError('BAD_OPTION', `--data ${shown(text)}: not JSON: ${DATA}`, cause);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonMembers;
  }
  throw controlError('BAD_OPTION', `--data ${shown(text)}: not a JSON object: ${DATA}`);
}

const DATA = `write --data '{"key":"value"}'`;

const EXAMPLES = {
  send: `
Examples:
  agentmesh send bob "the build is green"
  git diff | agentmesh send bob -
  agentmesh send bob --data '{"type":"build","ok":true}' --wait handled`,
  inbox: `
Examples:
  agentmesh inbox --wait 60s --max 1
  agentmesh inbox --json --from verified`,
  reply: `
Examples:
  agentmesh reply 0123456789abcdef0123456789abcdef "three of them"
  agentmesh reply 0123456789abcdef0123456789abcdef --data '{"failed":3}'`,
  ack: `
Examples:
  agentmesh ack 0123456789abcdef0123456789abcdef`,
  refuse: `
Examples:
  agentmesh refuse 0123456789abcdef0123456789abcdef --reason "not my project"`,
};
