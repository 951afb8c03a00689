/**
 * `docs/reference.md` says what the code does: it is what `scripts/reference.mjs` writes from the
 * code. An option or an event without a sentence, or an error code without a remedy, fails.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import { errorClassesIn, faultsOf, remedyOf } from '../reference.mjs';
import { parse, root } from './workspace.js';

const script = join(root, 'scripts', 'reference.mjs');
const generated = spawnSync(process.execPath, [script, '--print'], { encoding: 'utf8' });

const sample = parse(
  'x.ts',
  `const TABLE = {
    /** Look again. */
    LOST: { message: 'Lost' },
    GONE: { message: 'Gone: come back' },
    BARE: { message: 'Bare' },
  } as const;
  export type XCode = keyof typeof TABLE;
  /** An X. */
  export class XError extends AgentMeshError { readonly code: XCode; }
  export class YError extends AgentMeshError { readonly code: string; }`,
);

describe('docs/reference.md', () => {
  test('every option and event has a sentence, every error code a remedy', () => {
    expect(generated.stderr.trim().split('\n').filter(Boolean)).toEqual([]);
    expect(generated.status).toBe(0);
  });

  test('is what the code says (node scripts/reference.mjs)', () => {
    expect(readFileSync(join(root, 'docs', 'reference.md'), 'utf8')).toBe(generated.stdout);
  });

  test('has options, events and the codes of every class of errors', () => {
    expect(generated.stdout).toContain('| `keypairPath` | `string` |');
    expect(generated.stdout).toContain('| `identityChanged` |');
    const codes = [
      'IDENTITY_CHANGED',
      'STORE_LOCKED',
      'QUEUE_FULL',
      'BAD_HEADER',
      'HUB_CLOSED',
      'STORE_HUB_KEY',
      'PORT_IN_USE',
      'STORE_FOREIGN',
    ];
    const missing = codes.filter((code) => !generated.stdout.includes(`| \`${code}\` |`));
    expect(missing).toEqual([]);
  });

  test('this check can fail: codes, comments and remedies are read as they are meant', () => {
    const classes = errorClassesIn(sample);
    expect(classes).toEqual([
      {
        name: 'XError',
        sentence: 'An X.',
        borrows: false,
        codes: [
          { code: 'LOST', sentence: 'Look again.' },
          { code: 'GONE', sentence: null },
          { code: 'BARE', sentence: null },
        ],
      },
      { name: 'YError', sentence: null, borrows: true, codes: [] },
    ]);
    const remedies = ['Lost', 'Gone: come back', 'Bare'].map((message, at) => {
      const { code = '', sentence = null } = classes[0]?.codes[at] ?? {};
      return { code, ...remedyOf(message, sentence) };
    });
    expect(remedies.map(({ remedy }) => remedy)).toEqual(['Look again.', 'Come back', null]);
    const errors = [
      { name: 'XError', sentence: 'An X.', borrows: false, codes: remedies },
      { name: 'YError', sentence: null, borrows: true, codes: [] },
      { name: 'ZError', sentence: 'Says why.', borrows: true, codes: [] },
    ];
    const events = [{ name: 'e', sentence: null }];
    expect(faultsOf({ options: [], events, errors })).toEqual([
      'event e: write a sentence in a comment above it',
      'XError BARE: say what to do, after a colon in its text or above it',
      'YError: its codes are not found: let its code be a key of one table',
    ]);
  });
});
