/**
 * The way of one message stays as short as it is: what `pnpm way` counts has a bound. Whoever makes
 * it shorter lowers the bound; whoever makes it longer says why in `docs/decisions/`.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';

import { expect, test } from '@jest/globals';

import { root } from './workspace.js';

/**
 * Files and named functions that ran, over all packages. Four of the functions remember what the
 * bytes of rows stand for: without them each message decodes its peer and its session anew. One of
 * the files is the hub's clock, by which each kept content says when it was sent: see decision 74.
 * Four of the functions keep what rows stand for until their commit: see decision 76. One file and
 * four functions are the patience of whoever sends: see decision 80. One file and six functions ask
 * whether other senders have their turn first: see decision 84. One file decides who speaks for a
 * store: see decision 85. Three functions take a message that another one holds as every other one:
 * see decision 86. Two files and seven functions know what all senders ask for, and divide what a
 * recipient changes: see decision 87. One file and eight functions ask whether earlier ones wait
 * for room: see decision 88.
 */
const BOUND = { files: 151, functions: 750 };

interface Way {
  readonly files: number;
  readonly functions: number;
}

test('one message in an established session runs through no more than the bound', () => {
  const script = join(root, 'scripts', 'way.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--json'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { files, functions } = JSON.parse(stdout) as Way;
  const what = 'pnpm way --list names what ran: shorten it, or raise the bound here with a reason';
  const isShort = files <= BOUND.files && functions <= BOUND.functions;
  expect(isShort ? '' : `${files} files, ${functions} functions: ${what}`).toBe('');
  // It did run through both agents and the hub.
  expect(files).toBeGreaterThan(40);
});
