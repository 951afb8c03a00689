/**
 * The terminal: asking for a passphrase without showing it.
 * Owns that; knows no command.
 */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';

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
