/** A command that is looked at, and not run: nobody types it, and it does nothing. */
import { Readable } from 'node:stream';
import type { CommandProcess } from '../src/command/process.js';

export const nobody: CommandProcess = {
  args: [],
  env: {},
  cwd: '/',
  version: '1.2.3',
  stdin: Readable.from([]),
  print: () => undefined,
  complain: () => undefined,
  exit: () => undefined,
  ask: null,
  onStop: () => () => undefined,
};
