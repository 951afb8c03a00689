/**
 * What we claim, we test. Every row of a table in `docs/claims.md` has the claim in its first cell
 * and, in its last cell, the titles of tests in backticks: whole titles, or their beginning up to a
 * word's end. Every sentence of the README under "What is protected" stands word for word in a
 * first cell; the paragraph with the link `[tested](docs/claims.md)` introduces that list.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

import { allSources, filesUnder, nodesOf, parse, root, workspacePackages } from './workspace.js';

const claimsFile = join(root, 'docs', 'claims.md');
const readmeFile = join(root, 'README.md');
const link = '[tested](docs/claims.md)';

interface Claim {
  readonly text: string;
  readonly tests: readonly string[];
}

/** Rows of all tables, without headings and rules. */
function claimsOf(markdown: string): Claim[] {
  const rows = markdown.split('\n').map((line) => line.trim());
  return rows
    .filter((row, index) => row.startsWith('|') && !isHeading(rows, index))
    .map((row) => row.slice(1, row.endsWith('|') ? -1 : undefined).split(/(?<!\\)\|/))
    .map((cells) => ({
      text: plain(cells[0] ?? ''),
      tests: [...(cells.at(-1) ?? '').matchAll(/`([^`]+)`/g)].map(([, title = '']) => title),
    }));
}

/** The heading row and the dashes under it. */
function isHeading(rows: readonly string[], index: number): boolean {
  const dashes = /^\|[\s:|-]+\|$/;
  return dashes.test(rows[index] ?? '') || dashes.test(rows[index + 1] ?? '');
}

/** The words of a sentence: no list sign, no bold, no full stop, no line ends. */
function plain(sentence: string): string {
  const words = sentence.replaceAll(/\s+/g, ' ').replaceAll('**', '').trim();
  return words
    .replace(/^[-*] /, '')
    .replace(/\.$/, '')
    .trim();
}

/**
 * The sentences under "What is protected", but for the paragraph that holds the link. The bold
 * label that begins a list item is not part of its first sentence.
 */
function claimedIn(readme: string): string[] {
  const heading = /^### What is protected\n([\s\S]*?)(?=^#{1,3} |$(?![\s\S]))/m;
  const paragraphs = (heading.exec(readme)?.[1] ?? '').split(/\n\s*\n|\n(?=[-*] )/);
  return paragraphs
    .filter((paragraph) => !paragraph.includes(link))
    .map((paragraph) => paragraph.trim().replace(/^[-*] (\*\*[^*]+\*\*\s*)?/, ''))
    .flatMap((text) => text.split(/(?<=[.!?])\s+(?=[A-Z`*])/))
    .map(plain)
    .filter((sentence) => sentence !== '');
}

/** The titles of all tests; of a template, what stands before its first `${`. */
function testTitles(): string[] {
  const scripts = filesUnder(join(root, 'scripts', 'test'));
  const files = [...workspacePackages().flatMap(allSources), ...scripts];
  return files.flatMap((path) => {
    const text = readFileSync(path, 'utf8');
    return /\b(test|it|describe)\b/.test(text) ? titlesIn(parse(path, text)) : [];
  });
}

function titlesIn(file: ts.SourceFile): string[] {
  return [...nodesOf(file)].filter(ts.isCallExpression).flatMap((call) => {
    if (!/^(test|it|describe)\b/.test(call.expression.getText(file))) return [];
    const [title] = call.arguments;
    if (title === undefined) return [];
    if (ts.isStringLiteralLike(title)) return [title.text];
    return ts.isTemplateExpression(title) ? [title.head.text] : [];
  });
}

/** `T-K1` begins `T-K1 swap-dh-key-only: …`, but not `T-K11 …`. */
function begins(title: string, claimed: string): boolean {
  const next = title.charAt(claimed.length);
  return title.startsWith(claimed) && !/[\p{L}\d]/u.test(next);
}

describe('claims', () => {
  // CI counts a skip as a failure: the documents may be missing only while they are being written.
  const withClaims = existsSync(claimsFile) ? test : test.skip;
  const withReadme = existsSync(readmeFile) && existsSync(claimsFile) ? test : test.skip;

  withClaims('every row of docs/claims.md names tests that exist', () => {
    const titles = testTitles();
    const claims = claimsOf(readFileSync(claimsFile, 'utf8'));
    const wrong = claims.flatMap(({ text, tests }) => {
      if (tests.length === 0) return [`no test: ${text}`];
      const missing = tests.filter((claimed) => !titles.some((title) => begins(title, claimed)));
      return missing.map((claimed) => `no test "${claimed}": ${text}`);
    });
    expect(wrong).toEqual([]);
    expect(claims.length).toBeGreaterThan(0);
  });

  withReadme('every sentence of the README that says what is protected is a claim', () => {
    const claims = new Set(claimsOf(readFileSync(claimsFile, 'utf8')).map(({ text }) => text));
    const readme = readFileSync(readmeFile, 'utf8');
    const claimed = claimedIn(readme);
    expect(claimed.filter((sentence) => !claims.has(sentence))).toEqual([]);
    // A sentence that leaves the list would leave the check too.
    expect(claimed.length).toBeGreaterThanOrEqual(15);
    expect(readme.split(link)).toHaveLength(2);
  });

  test('this check can fail: rows and sentences are read as they are meant', () => {
    const table = '| Claim | Test |\n|---|---|\n| **Keys** stay. | `T-K1` |\n| Loose | |\n';
    expect(claimsOf(table)).toEqual([
      { text: 'Keys stay', tests: ['T-K1'] },
      { text: 'Loose', tests: [] },
    ]);
    const list = `Each is ${link}.\n\n- **One.** Keys\n  stay. Names stay.\n- **Two** bullets.\n`;
    const before = '# x\n## Security\nNot this.\n\n### What is protected\n\n';
    const readme = `${before}${list}\n### End\nNor this.\n`;
    expect(claimedIn(readme)).toEqual(['Keys stay', 'Names stay', 'bullets']);
    expect(claimedIn(readme.replace('Each', 'Loose words.\n\nEach'))).toContain('Loose words');
    expect([begins('T-K11 x', 'T-K1'), begins('T-K1 x', 'T-K1')]).toEqual([false, true]);
  });
});
