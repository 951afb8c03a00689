/**
 * The repository holds texts that somebody wrote: no binary, no empty file, no key, and nothing
 * that an agent or a hub leaves behind. The lists below name what may stand there all the same.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import { filesUnder, relativePath, root } from './workspace.js';

interface Content {
  readonly path: string;
  readonly bytes: Buffer;
}

/** Complaints, each in one line that says what to do. */
type Check = (file: Content) => string[];

/** Binaries, empty files and keys that are there on purpose, by path from the root. */
const ALLOWED: ReadonlySet<string> = new Set([]);
/** Vectors are made of keys that everybody knows. */
const KEYS_OF_VECTORS = /^packages\/[^/]+\/(?:vectors|test\/corpus)\//;
const LISTS = 'scripts/test/clean.test.ts';

const keyForms: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{20}/,
  /agentmesh-hub-key-\d [A-Za-z0-9_-]{43}/,
  /"(?:signingSeed|dhScalar|storeKey)": ?"[A-Za-z0-9_-]{43,}"/,
];
const leftBehind = /(?:\.db(?:-[a-z]+)?|\.revocation|\.pem|\.p12|\.pfx)$|^hub\.key$|^tokens$/;

const isBinary: Check = ({ path, bytes }) => {
  const isText = !bytes.includes(0) && Buffer.from(bytes.toString('utf8')).equals(bytes);
  return isText ? [] : [`${path} is a binary: git rm it, or name it in ${LISTS}`];
};

const isEmpty: Check = ({ path, bytes }) =>
  bytes.length > 0 ? [] : [`${path} is empty: git rm it, or name it in ${LISTS}`];

const isKey: Check = ({ path, bytes }) => {
  if (KEYS_OF_VECTORS.test(path)) return [];
  const text = bytes.toString('latin1');
  return keyForms.some((form) => form.test(text))
    ? [`${path} holds a private key: git rm it and make a new key; a test makes its own`]
    : [];
};

const isLeftBehind: Check = ({ path }) =>
  leftBehind.test(basename(path)) || /(?:^|\/)[\w-]*hub-data\//.test(path)
    ? [`${path} is what an agent or a hub leaves behind: git rm it; write to a temporary folder`]
    : [];

const checks = { isBinary, isEmpty, isKey, isLeftBehind };

/** What a commit of everything here would hold; without git, every file that is not generated. */
function committed(): Content[] {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const { status, stdout } = spawnSync('git', args, { cwd: root, maxBuffer: 2 ** 26 });
  const paths =
    status === 0
      ? stdout.toString('utf8').split('\0').filter(Boolean)
      : filesUnder(root).map(relativePath);
  return [...new Set(paths)]
    .filter((path) => existsSync(join(root, path)) && !ALLOWED.has(path))
    .map((path) => ({ path, bytes: readFileSync(join(root, path)) }));
}

describe('the repository', () => {
  const files = committed();

  test('is seen whole by these checks', () => {
    expect(files.map(({ path }) => path)).toContain('scripts/test/clean.test.ts');
    expect(files.length).toBeGreaterThan(500);
  });

  test.each(Object.entries(checks))('holds nothing that %s refuses', (_name, check) => {
    expect(files.flatMap(check)).toEqual([]);
  });

  test('names in its list only what is there', () => {
    expect([...ALLOWED].filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});

describe('each check can fail', () => {
  const bad = (path: string, text: string): Content => ({
    path,
    bytes: Buffer.from(text, 'latin1'),
  });
  const seed = 'A'.repeat(43);
  const pem = `-----BEGIN PRIVATE KEY-----\n${'M'.repeat(40)}\n`;

  test.each<[string, Check, Content]>([
    ['a database', isBinary, bad('a/x', 'SQLite format 3\0')],
    ['bytes that are no UTF-8', isBinary, bad('a/x', 'caf\xE9')],
    ['an empty file', isEmpty, bad('a/x', '')],
    ['a private key in PEM', isKey, bad('a/x', pem)],
    ['a hub key', isKey, bad('a/x', `agentmesh-hub-key-1 ${seed}`)],
    ['a key file of an agent', isKey, bad('a/x', `{"signingSeed": "${seed}"}`)],
    ['a store', isLeftBehind, bad('packages/x/alice.db', 'x')],
    ['a log of a store', isLeftBehind, bad('alice.db-wal', 'x')],
    ['a data folder', isLeftBehind, bad('packages/x/agentmesh-hub-data/anything', 'x')],
    ['a hub key by its name', isLeftBehind, bad('x/hub.key', 'x')],
    ['a revocation', isLeftBehind, bad('alice.json.ab12-cd34.revocation', 'x')],
  ])('%s is told in one line', (_title, check, file) => {
    const complaints = check(file);
    expect(complaints).toHaveLength(1);
    expect(complaints[0]).toMatch(/^\S+ (?:is|holds) [^\n]+: git rm it/);
  });

  test('a text is no binary, and a word is no key', () => {
    const good = bad('a/x.md', 'a PRIVATE KEY is secret');
    expect(Object.values(checks).flatMap((check) => check(good))).toEqual([]);
  });
});
