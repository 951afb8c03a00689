/**
 * The terminal: a passphrase that is not shown, one of several answers, and yes or no.
 * Owns that; knows no command.
 */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Choice } from './process.js';

/** Asks on the terminal; what is typed is not shown. */
export function askHidden(question: string): Promise<string> {
  process.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  return new Promise((resolve) => {
    // Without an answer, as after Ctrl-C, it is empty.
    lines.once('close', () => resolve(''));
    lines.once('line', (line) => {
      process.stderr.write('\n');
      resolve(line);
      lines.close();
    });
  });
}

/**
 * Lets a person choose; null where the question was left. What draws is loaded when it is asked.
 */
export async function choose(question: string, options: readonly Choice[]): Promise<string | null> {
  const { isCancel, select } = await import('@clack/prompts');
  const chosen = await select({ message: question, options: [...options] });
  return isCancel(chosen) ? null : chosen;
}

/** Yes or no; a question that is left is a no. */
export async function confirm(question: string): Promise<boolean> {
  const prompts = await import('@clack/prompts');
  return (await prompts.confirm({ message: question, initialValue: false })) === true;
}
