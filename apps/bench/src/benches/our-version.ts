/**
 * The version of AgentMesh that is measured: that of the workspace. Owns reading it; the commit is
 * written down with each result beside it.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export function ourVersion(): string {
  const path = createRequire(import.meta.url).resolve('@agentmesh/crypto/package.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}
