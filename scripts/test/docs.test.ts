/**
 * Documentation that runs: every `ts` block of the README, of `docs` and of the packages' READMEs
 * compiles against the built packages, and those marked `run` are executed. Conventions:
 *
 * - `ts` is a module that compiles by itself; `ts continue` goes on where the previous block of the
 *   same document ended; `ts run` compiles and, as a program of its own, ends with exit code 0.
 * - `<!-- ts: declare const alice: Agent; -->` just above a block compiles before it, unseen.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

import { filesUnder, relativePath, root, workspacePackages } from './workspace.js';

interface Block {
  readonly title: string;
  readonly code: string;
  readonly run: boolean;
}

const fence = /(?:<!-- ts: ([\s\S]*?) -->\n\n?)?^```ts( continue| run)?\n([\s\S]*?)^```$/gm;

/** The blocks of a document; a continued block contains the ones before it. */
function blocksOf(document: string, markdown: string): Block[] {
  const blocks: Block[] = [];
  for (const match of markdown.matchAll(fence)) {
    const [, hidden = '', kind = '', body = ''] = match;
    const before = kind === ' continue' ? (blocks.at(-1)?.code ?? '') : '';
    const line = markdown.slice(0, match.index).split('\n').length;
    const code = `${before}${hidden}\n${body}`;
    blocks.push({ title: `${document}:${line}`, code, run: kind === ' run' });
  }
  return blocks;
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
  types: ['node'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  noEmit: true,
};

/** What the compiler says of each block, by title; one program for all, as it costs seconds. */
function compile(blocks: readonly Block[], folder: string): Map<string, string[]> {
  const files = blocks.map((block, index) => {
    const path = join(folder, `block-${index}.mts`);
    writeFileSync(path, block.code);
    return path;
  });
  const program = ts.createProgram(files, options);
  return new Map(
    blocks.map((block, index) => {
      const file = program.getSourceFile(files[index] ?? '');
      const found = [
        ...program.getSyntacticDiagnostics(file),
        ...program.getSemanticDiagnostics(file),
      ];
      return [
        block.title,
        found.map((one) => ts.flattenDiagnosticMessageText(one.messageText, '\n')),
      ];
    }),
  );
}

/** Runs a block as a program, in an empty folder; the empty string if it ends well. */
function execute(block: Block, folder: string): string {
  const program = join(folder, `${block.title.replaceAll(/\W/g, '-')}.mjs`);
  const { outputText } = ts.transpileModule(block.code, {
    compilerOptions: { ...options, module: ts.ModuleKind.ESNext, noEmit: false },
  });
  writeFileSync(program, outputText);
  const cwd = mkdtempSync(join(tmpdir(), 'agentmesh-docs-'));
  const result = spawnSync(process.execPath, [program], { cwd, encoding: 'utf8', timeout: 60_000 });
  rmSync(cwd, { recursive: true, force: true });
  return result.status === 0 ? '' : `exit ${result.status}: ${result.stdout}${result.stderr}`;
}

// Inside this package, so that the blocks find the workspace's packages as a user's program would.
const work = join(root, 'scripts', '.cache', 'docs');
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });

const readmes = workspacePackages().map(({ folder }) => join(folder, 'README.md'));
const documents = [join(root, 'README.md'), ...filesUnder(join(root, 'docs')), ...readmes];
const blocks = documents
  .filter((file) => file.endsWith('.md') && existsSync(file))
  .flatMap((file) => blocksOf(relativePath(file), readFileSync(file, 'utf8')));
const example = `text\n\n<!-- ts: const a: number = 1; -->\n\n\`\`\`ts\nconst b = a;\n\`\`\`\n
\`\`\`ts continue\nconst c: string = b;\n\`\`\`\n\`\`\`ts run\nprocess.exit(3);\n\`\`\`\n`;

describe('documentation', () => {
  const complaints = compile(blocks, work);

  for (const block of blocks) {
    test(`the block at ${block.title} compiles`, () => {
      expect(complaints.get(block.title)).toEqual([]);
    });
  }

  for (const block of blocks.filter(({ run }) => run)) {
    test(`the program at ${block.title} runs`, () => {
      expect(execute(block, work)).toBe('');
    }, 70_000);
  }

  test('this check can fail: a wrong type and a wrong exit are seen', () => {
    const folder = join(work, 'example');
    mkdirSync(folder);
    const [first, second, third] = blocksOf('x.md', example);
    const found = compile(
      [first, second, third].flatMap((block) => block ?? []),
      folder,
    );
    expect([...found.values()].map((list) => list.length)).toEqual([0, 1, 0]);
    expect(third && execute(third, folder)).toContain('exit 3');
  });
});
