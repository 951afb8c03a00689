/**
 * Documents lead somewhere: each link of a document leads to a file and a heading that exist, and
 * each path in backticks that begins with a folder of this repository names a file or a folder.
 * READMEs of packages are also read on package pages, so their links are absolute.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, test } from '@jest/globals';

import {
  filesUnder,
  publishedSources,
  relativePath,
  root,
  workspacePackages,
} from './workspace.js';

/** Where the repository is published; a link to a file of it is checked here. */
const repository = 'https://github.com/agentmesh/agentmesh';

const readmes = workspacePackages().map(({ folder }) => join(folder, 'README.md'));
const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'SECURITY.md'].map((name) => join(root, name)),
  ...filesUnder(join(root, 'docs')),
  ...readmes,
].filter((path) => path.endsWith('.md') && existsSync(path));

/** Text without code blocks, in which nothing is a link. */
function prose(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```$/gm, '');
}

function linksOf(markdown: string): string[] {
  const found = prose(markdown).matchAll(/\]\(([^)\s]+)\)/g);
  return [...found].map(([, target = '']) => target);
}

/** The anchors of all headings, as GitHub makes them. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...prose(markdown).matchAll(/^#{1,6} (.+)$/gm)].map(([, text = '']) => text);
  return new Set(headings.map(anchorOf));
}

function anchorOf(heading: string): string {
  const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  return words.replaceAll(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
}

/** What is wrong with a link in a document; null when it leads somewhere. */
function faultOf(document: string, target: string): string | null {
  const isReadmeOfPackage = readmes.includes(document);
  if (target.startsWith(repository)) return faultOfOwn(target.slice(repository.length));
  if (/^[a-z]+:/.test(target)) return null;
  if (isReadmeOfPackage) return `write the whole address (${repository}/blob/main/…)`;
  const [path = '', anchor] = target.split('#');
  return faultAt(path === '' ? document : join(dirname(document), path), anchor);
}

/** Of a link into the repository's own page: `/blob/main/docs/hub.md#2-frames`. */
function faultOfOwn(rest: string): string | null {
  const [path = '', anchor] = rest.replace(/^\/(?:blob|tree)\/main\//, '/').split('#');
  return faultAt(path === '' || path === '/' ? join(root, 'README.md') : join(root, path), anchor);
}

function faultAt(path: string, anchor: string | undefined): string | null {
  if (!existsSync(path)) return 'no such file: correct the link';
  if (anchor === undefined) return null;
  return anchorsOf(readFileSync(path, 'utf8')).has(anchor) ? null : 'no such heading there';
}

/** Paths in backticks: `docs/hub.md`, `packages/agent/src/agent.ts`. */
function pathsIn(markdown: string): string[] {
  const found = prose(markdown).matchAll(/`((?:docs|packages|apps|scripts)\/[\w./-]+)`/g);
  return [...found].map(([, path = '']) => path);
}

describe('documents', () => {
  test.each(documents.map((path) => [relativePath(path), path]))(
    '%s has no dead link',
    (_, path) => {
      const found = linksOf(readFileSync(path, 'utf8')).map((target) => [
        target,
        faultOf(path, target),
      ]);
      expect(found.filter(([, fault]) => fault !== null)).toEqual([]);
    },
  );

  test.each(documents.map((path) => [relativePath(path), path]))(
    '%s names no missing file',
    (_, path) => {
      const missing = pathsIn(readFileSync(path, 'utf8')).filter(
        (name) => !existsSync(join(root, name)),
      );
      expect(missing).toEqual([]);
    },
  );

  test('docs/README.md lists every page of docs', () => {
    const index = join(root, 'docs', 'README.md');
    const listed = new Set(linksOf(readFileSync(index, 'utf8')));
    const pages = readdirSync(dirname(index)).filter((name) => name.endsWith('.md'));
    expect(pages.filter((name) => name !== 'README.md' && !listed.has(name))).toEqual([]);
    expect(pages.length).toBeGreaterThan(10);
  });

  test('no error and no comment of the packages names a document that does not exist', () => {
    const named = workspacePackages().flatMap((pkg) =>
      publishedSources(pkg).flatMap((path) => {
        const found = readFileSync(path, 'utf8').matchAll(/\bdocs\/[\w/-]+\.md\b/g);
        return [...found].map(([name]) => [relativePath(path), name] as const);
      }),
    );
    expect(named.filter(([, name]) => !existsSync(join(root, name)))).toEqual([]);
    expect(named.length).toBeGreaterThan(0);
  });

  test('this check can fail: links, headings and paths are read as they are meant', () => {
    const text = '[a](b.md) `docs/x.md`\n```sh\n[c](d.md)\n```\n## One, *two* `three`\n';
    expect(linksOf(text)).toEqual(['b.md']);
    expect(pathsIn(text)).toEqual(['docs/x.md']);
    expect([...anchorsOf(text)]).toEqual(['one-two-three']);
    const readme = join(root, 'README.md');
    expect(faultOf(readme, 'docs/no-such.md')).toMatch('no such file');
    expect(faultOf(readme, 'docs/hub.md#no-such')).toMatch('no such heading');
    expect(faultOf(readme, `${repository}/blob/main/docs/no-such.md`)).toMatch('no such file');
    expect(faultOf(readme, 'docs/hub.md#2-frames')).toBeNull();
    expect(faultOf(readmes[0] ?? '', '../x.md')).toMatch('whole address');
  });
});
