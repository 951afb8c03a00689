/**
 * Writes the versions of the umbrella package and of the command where their code says them: after
 * `changeset version`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

for (const name of ['agentmesh', 'cli', 'mcp']) {
  const folder = fileURLToPath(new URL(`../packages/${name}/`, import.meta.url));
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = join(folder, 'src', 'version.ts');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.replace(/version = '[^']*'/, `version = '${version}'`));
}
