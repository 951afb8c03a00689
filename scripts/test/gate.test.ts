/**
 * The gate itself, given bad input: each fault makes its check fail, in a line that says what to
 * do. Floors, dead links, missing documents and error codes without a remedy have tests of their
 * own.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

import { lineDiff } from '../line-diff.mjs';
import { tarballFaults } from '../tarball-rules.mjs';
import type { Tarball } from '../tarball-rules.mjs';
import { root } from './workspace.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agentmesh-gate-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

const good: Tarball = {
  files: new Map([
    ['LICENSE', 'MIT'],
    ['README.md', '# x\n\n[docs](https://example.org) [below](#more)\n\n```ts\na[0](./x);\n```\n'],
    ['dist/a.js.map', JSON.stringify({ sources: ['../src/a.ts'], sourcesContent: ['x'] })],
  ]),
  manifest: {
    repository: {
      url: 'git+https://github.com/agentmesh/agentmesh.git',
      directory: 'packages/x',
    },
    homepage: 'https://github.com/agentmesh/agentmesh',
    bugs: 'https://github.com/agentmesh/agentmesh/issues',
    license: 'MIT',
    publishConfig: { provenance: true },
    engines: { node: '>=22.13' },
  },
};

const withFile = (path: string, text: string): Tarball => ({
  ...good,
  files: new Map([...good.files, [path, text]]),
});

describe('a tarball', () => {
  test('that holds all it should is not complained about', () => {
    expect(tarballFaults(good)).toEqual([]);
  });

  const { provenance: _, ...unproven } = { provenance: true };
  test.each<[string, Tarball, string]>([
    ['without a licence', withFile('LICENSE', ''), 'the tarball has no LICENSE: put one beside'],
    ['with a dead link', withFile('README.md', '[x](../../docs/x.md)'), 'write the whole https://'],
    [
      'with a map that leads nowhere',
      withFile('dist/a.js.map', JSON.stringify({ sources: ['../src/a.ts'] })),
      'dist/a.js.map has no source ../src/a.ts: set inlineSources',
    ],
    [
      'without provenance',
      { ...good, manifest: { ...good.manifest, publishConfig: unproven } },
      'package.json has no good publishConfig.provenance: copy it from another package',
    ],
  ])('%s is told in one line', (_title, tarball, line) => {
    const faults = tarballFaults(tarball);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(line);
  });
});

describe('the difference of an API report', () => {
  test('shows what was and what is, and leaves out what is equal', () => {
    const before = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].join('\n');
    const after = ['a', 'b', 'C', 'd', 'e', 'f', 'g', 'h', 'i'].join('\n');
    expect(lineDiff(before, after)).toEqual([' b', '-c', '+C', ' d', '…', ' h', '+i']);
    expect(lineDiff(before, before)).toEqual([]);
  });

  test('is shown with the commands that mend it', () => {
    // Inside the workspace, where the compiler finds the types of Node.
    const cache = join(root, 'scripts', '.cache');
    mkdirSync(cache, { recursive: true });
    const inside = mkdtempSync(join(cache, 'gate-'));
    try {
      const exports = { '.': { types: './dist/index.d.ts' } };
      const manifest = { name: 'x', version: '1.0.0', exports };
      mkdirSync(join(inside, 'dist'));
      writeFileSync(join(inside, 'package.json'), JSON.stringify(manifest));
      writeFileSync(join(inside, 'dist', 'index.d.ts'), 'export declare const before: number;\n');
      const report = join(root, 'scripts', 'api-report.mjs');
      const run = (...args: string[]) =>
        spawnSync(process.execPath, [report, ...args], { cwd: inside, encoding: 'utf8' });
      expect(run('--update').stderr).toBe('x: api/index.api.md updated\n');
      expect(run()).toMatchObject({ status: 0 });
      writeFileSync(join(inside, 'dist', 'index.d.ts'), 'export declare const after: number;\n');
      const { status, stderr } = run();
      expect(status).toBe(1);
      expect(stderr).toContain('-export const before: number;\n+export const after: number;');
      expect(stderr).toMatch(/run `pnpm api:update` and `pnpm changeset`/);
    } finally {
      rmSync(inside, { recursive: true });
    }
  }, 60_000);
});

describe('changesets', () => {
  const git = (...args: readonly string[]): void => {
    const who = '-c user.name=x -c user.email=x@example.org -c commit.gpgsign=false'.split(' ');
    const { status, stderr } = spawnSync('git', [...who, ...args], {
      cwd: folder,
      encoding: 'utf8',
    });
    if (status !== 0) throw new TypeError(stderr);
  };
  const check = () =>
    spawnSync(process.execPath, [join(root, 'scripts', 'check-changesets.mjs')], {
      encoding: 'utf8',
      env: { ...process.env, AGENTMESH_ROOT: folder },
    });

  beforeEach(() => {
    write('package.json', '{ "name": "root", "private": true, "version": "0.0.0" }');
    write('pnpm-workspace.yaml', 'packages:\n  - packages/*\n');
    write('pnpm-lock.yaml', '');
    write('packages/x/package.json', '{ "name": "x", "version": "0.1.0" }');
    write('packages/x/CHANGELOG.md', '# x\n\n## 0.1.0\n');
    write('packages/x/api/index.api.md', 'before\n');
    cpSync(join(root, '.changeset', 'config.json'), join(folder, '.changeset', 'config.json'));
    git('init', '-q', '-b', 'main');
    git('add', '-A');
    git('commit', '-q', '-m', 'release');
  });

  test('are asked for when an API report differs from the last release', () => {
    expect(check()).toMatchObject({ status: 0, stderr: '' });
    write('packages/x/api/index.api.md', 'after\n');
    expect(check()).toMatchObject({
      status: 1,
      stderr: 'x: its API differs from the last release: run `pnpm changeset` and name it\n',
    });
    write('.changeset/after.md', "---\n'x': minor\n---\n\nAfter comes after before.\n");
    expect(check()).toMatchObject({ status: 0, stderr: '' });
  });

  test('of the main branch do not announce what another branch changes', () => {
    write('packages/x/api/index.api.md', 'after\n');
    write('.changeset/after.md', "---\n'x': minor\n---\n\nAfter comes after before.\n");
    git('add', '-A');
    git('commit', '-q', '-m', 'after');
    git('switch', '-q', '-c', 'other');
    write('packages/x/api/index.api.md', 'much later\n');
    git('commit', '-q', '-a', '-m', 'later');
    expect(check().stderr).toBe(
      'x: its API differs from the main branch: run `pnpm changeset` and name it\n',
    );
    write('.changeset/later.md', "---\n'x': minor\n---\n\nLater comes much later.\n");
    expect(check()).toMatchObject({ status: 0, stderr: '' });
  });

  test('without a summary, or for a package that nobody knows, are refused', () => {
    write('.changeset/empty.md', "---\n'x': patch\n---\n");
    expect(check().stderr).toBe('.changeset/empty.md has no summary: write one sentence\n');
    write('.changeset/empty.md', "---\n'y': patch\n---\n\nWhat is y?\n");
    expect(check()).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^\.changeset: .*y/),
    });
  });
});
