/**
 * `dead-letters …`: messages that every attempt failed on. Owns what is printed; with a holder they
 * are asked of it, else they are read from the store, which needs no hub.
 */
import type { Command } from 'commander';
import type { DeadMail } from '../control/api.js';
import { ControlError, controlError } from '../control/error.js';
import { openLetters } from '../holder/letters.js';
import type { Letters } from '../holder/letters.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { quoted } from './shown.js';
import { filesFor, printResult, withPassphrase } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Characters of a text that fit on a line beside the rest. */
const PREVIEW = 40;
const ID = /^[0-9a-f]{32}$/;

/** Adds them. */
export function addDeadLetters(program: Command, command: CommandProcess): void {
  const { print } = command;
  const group = program
    .command('dead-letters')
    .description('Messages that every attempt to handle them has failed on');
  agentCommand(group, 'list', 'List them', 'agentmesh dead-letters list').action(
    (options: CommonOptions) =>
      withLetters(options, command, async (letters) => {
        for (const letter of await letters.list()) print(lineOf(letter, options.json === true));
      }),
  );
  agentCommand(
    group,
    'show <id>',
    'Show one of them with its payload',
    'agentmesh dead-letters show 0123456789abcdef0123456789abcdef',
  ).action(async (id: string, options: CommonOptions) => {
    checkIds([id]);
    await withLetters(options, command, async (letters) => {
      print(pageOf(await oneOf(letters, id), options.json === true));
    });
  });
  agentCommand(
    group,
    'retry <id...>',
    'Handle them again',
    'agentmesh dead-letters retry 0123456789abcdef0123456789abcdef',
  ).action(async (ids: string[], options: CommonOptions) => {
    checkIds(ids);
    await withLetters(options, command, async (letters) => {
      for (const id of ids) await letters.retry(id);
      const { isHeld: held } = letters;
      const then = held ? '' : ': start the agent';
      const text = `${ids.length} in the inbox again${then}\n`;
      printResult(command, options, { retried: ids, held }, text);
    });
  });
  agentCommand(
    group,
    'drop <id...>',
    'Delete them',
    'agentmesh dead-letters drop 0123456789abcdef0123456789abcdef',
  ).action(async (ids: string[], options: CommonOptions) => {
    checkIds(ids);
    await withLetters(options, command, async (letters) => {
      for (const id of ids) await letters.drop(id);
      printResult(command, options, { dropped: ids }, `${ids.length} dropped\n`);
    });
  });
}

async function withLetters(
  options: CommonOptions,
  command: CommandProcess,
  work: (letters: Letters) => Promise<void>,
): Promise<void> {
  const files = filesFor(options, command);
  const letters = await withPassphrase(files.keys, command, (passphrase) =>
    openLetters(files, passphrase),
  );
  try {
    await work(letters);
  } finally {
    await letters.close();
  }
}

function checkIds(ids: readonly string[]): void {
  const wrong = ids.find((id) => !ID.test(id));
  if (wrong === undefined) return;
  throw controlError('BAD_OPTION', `'${wrong}': an id has 32 hex digits; see the list`);
}

async function oneOf(letters: Letters, id: string): Promise<DeadMail> {
  const letter = (await letters.list()).find((one) => one.id === id);
  if (letter !== undefined) return letter;
  const message = 'No dead letter has this id';
  const remedy = 'agentmesh dead-letters list';
  throw new ControlError({ code: 'NO_DEAD_LETTER', retryable: false, message, remedy });
}

function lineOf(letter: DeadMail, json: boolean): string {
  if (json) return `${quoted(letter)}\n`;
  const { id, sender, attempts, text, timestamp } = letter;
  const preview = quoted(text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text);
  return `${id}  ${timeOf(timestamp)}  ${sender}  ${attempts} attempts  ${preview}\n`;
}

function pageOf(letter: DeadMail, json: boolean): string {
  if (json) return `${quoted(letter)}\n`;
  const { id, sender, address, fingerprint, trust, timestamp, attempts, replyTo, payload } = letter;
  const fields = {
    id,
    sender: `${sender} (${trust})`,
    address,
    fingerprint,
    sent: timeOf(timestamp),
    attempts: String(attempts),
    ...(replyTo === null ? {} : { 'reply to': replyTo }),
  };
  const lines = Object.entries(fields).map(([name, value]) => `${name.padEnd(13)}${value}\n`);
  const entries = Object.entries(payload).map(
    ([name, value]) => `  ${quoted(name)}: ${quoted(value)}\n`,
  );
  return `${lines.join('')}payload\n${entries.join('')}`;
}

/** By the sender's clock, which may be anywhere. */
function timeOf(timestampMs: number): string {
  const time = new Date(timestampMs);
  return Number.isNaN(time.getTime()) ? String(timestampMs) : time.toISOString();
}
