/**
 * Writes the version of the umbrella package where its code says it: after `changeset version`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../packages/agentmesh/', import.meta.url));
const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const file = join(folder, 'src', 'version.ts');
const text = readFileSync(file, 'utf8');
writeFileSync(file, text.replace(/version = '[^']*'/, `version = '${version}'`));
