/**
 * The operator's terminal: asking for a passphrase without showing it, and showing what peers wrote
 * without obeying it. Owns these two; knows no command.
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

/** What a terminal does not show but obeys: controls, invisible marks, changes of direction. */
const UNSEEN = /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** JSON of what a peer sent: one line, in which every character is seen. */
export function quoted(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    UNSEEN,
    (unseen) => `\\u${unseen.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
