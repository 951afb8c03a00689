/**
 * `docs/limits.md` says what the code does: it is what `scripts/limits.mjs` writes from the code.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { LIMITS } from '@agentmesh/crypto';
import { expect, test } from '@jest/globals';

import { root } from './workspace.js';

const script = join(root, 'scripts', 'limits.mjs');
const generated = execFileSync(process.execPath, [script, '--print'], { encoding: 'utf8' });

test('docs/limits.md has the values and reasons of the code (node scripts/limits.mjs)', () => {
  expect(readFileSync(join(root, 'docs', 'limits.md'), 'utf8')).toBe(generated);
});

test('what is written has each limit with its value and its reason', () => {
  expect(LIMITS.maxSkip).toBe(2_000);
  expect(generated).toMatch(/^- `maxSkip`: \*\*2,000\*\*\. \w.+\.$/m);
});
