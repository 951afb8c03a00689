/**
 * What a large contract costs its users' compiler: 100 operations, served and called.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { expect, test } from '@jest/globals';
import ts from 'typescript';

/** Of the package, where its libraries are found; no part of the project. */
const FOLDER = join(import.meta.dirname, '..', '.cache');
const OPERATIONS = 100;
const LIMIT_MS = 2_000;

function programOf(operations: number): string {
  const names = Array.from({ length: operations }, (_, n) => `op${n}`);
  const declared = names.map(
    (name, n) => `  ${name}: request({
    input: z.object({ a${n}: z.string(), b: z.number().default(1) }),
    output: z.object({ c${n}: z.string().optional() }),
    errors: { E${n}: z.object({ d: z.number() }) },
  }),`,
  );
  const handled = names.map((name, n) => `  ${name}: ({ a${n}, b }) => ({ c${n}: a${n} + b }),`);
  const called = names.map((name, n) => `void peer.${name}({ a${n}: '' }).then((x) => x.c${n});`);
  return `import { z } from 'zod';
import { defineContract, request } from '../src/index.js';
import type { Callers, Handlers } from '../src/index.js';
const contract = defineContract('large@1', {
${declared.join('\n')}
});
export const handlers: Handlers<typeof contract, object> = {
${handled.join('\n')}
};
declare const peer: Callers<typeof contract, object, void>;
${called.join('\n')}
`;
}

/** Processor time to check one file once its libraries are known. */
function checkMs(operations: number): { ms: number; errors: readonly string[] } {
  mkdirSync(FOLDER, { recursive: true });
  const file = join(FOLDER, `generated-${operations}.ts`);
  writeFileSync(file, programOf(operations));
  try {
    const config = ts.readConfigFile(join(FOLDER, '../tsconfig.json'), (path) =>
      ts.sys.readFile(path),
    );
    const parsed = ts.parseJsonConfigFileContent(config.config, ts.sys, join(FOLDER, '..'));
    const program = ts.createProgram([file], parsed.options);
    const source = program.getSourceFile(file);
    const before = process.cpuUsage();
    const found = program.getSemanticDiagnostics(source);
    const { user } = process.cpuUsage(before);
    const errors = found.map(({ messageText }) =>
      ts.flattenDiagnosticMessageText(messageText, ' '),
    );
    return { ms: user / 1_000, errors };
  } finally {
    rmSync(file);
  }
}

test('100 operations are checked within 2 seconds more than one', () => {
  const one = checkMs(1);
  const many = checkMs(OPERATIONS);
  expect(many.errors).toEqual([]);
  expect(many.ms - one.ms).toBeLessThan(LIMIT_MS);
}, 60_000);
