/**
 * Makes JavaScript of the TypeScript that tests load, for the Node that runs them. Types are only
 * removed: `typecheck` looks at them.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import process from 'node:process';

import { transformSync, version } from 'esbuild';

const OPTIONS = {
  loader: 'ts',
  format: 'esm',
  target: `node${process.versions.node}`,
  sourcemap: 'external',
  sourcesContent: false,
  // As in tsconfig.base.json; the files of packages have nothing else that changes what runs.
  tsconfigRaw: { compilerOptions: { target: 'ES2023', verbatimModuleSyntax: true } },
};

const OURS = [version, JSON.stringify(OPTIONS), readFileSync(import.meta.filename)];

export default {
  process(source, sourcefile) {
    return transformSync(source, { ...OPTIONS, sourcefile });
  },
  getCacheKey(source, path) {
    const hash = createHash('sha256');
    for (const part of [...OURS, path, source]) hash.update(part).update('\0');
    return hash.digest('hex');
  },
};
