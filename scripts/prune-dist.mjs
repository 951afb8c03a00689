/**
 * Removes from `dist` of the current package what no longer has a source file, so that a deleted
 * or renamed module is not published, nor imported by accident. Runs after each `tsc` build.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';

for (const entry of readdirSync('dist', { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const file = join(entry.parentPath, entry.name);
  const source = join('src', relative('dist', file)).replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts');
  if (!existsSync(source) || source.endsWith('.test.ts')) rmSync(file);
}
