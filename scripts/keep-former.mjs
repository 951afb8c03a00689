/**
 * Keeps the agent of a build as it was, in one file, so that tests can have today's agents talk to
 * former ones, whatever stands beside the repository (docs/decisions/0082-keep-former-agents.md).
 *
 *     node scripts/keep-former.mjs CHECKOUT NAME
 *
 * makes `packages/agent/vectors/NAME.mjs` of the sources of a checkout, such as this one at a
 * release. Packages of others are imported, and are those of today.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const [checkout, name] = process.argv.slice(2);
if (checkout === undefined || !/^[a-z0-9.-]+$/.test(name ?? '')) {
  console.error('node scripts/keep-former.mjs CHECKOUT NAME');
  process.exit(2);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const packages = resolve(checkout, 'packages');

const manifestOf = (folder) => JSON.parse(readFileSync(join(packages, folder, 'package.json')));
/** The source of what is built. */
const sourceOf = (folder, built) =>
  join(packages, folder, built.replace('dist/', 'src/').replace(/(\.bundle)?\.js$/, '.ts'));
const forNode = (target) => (typeof target === 'string' ? target : (target.node ?? target.default));

const formerSources = {
  name: 'former-sources',
  setup({ onResolve }) {
    onResolve({ filter: /^@agentmesh\// }, ({ path }) => {
      const [, folder, ...rest] = path.split('/');
      const { exports } = manifestOf(folder);
      const target = exports[rest.length === 0 ? '.' : `./${rest.join('/')}`];
      return { path: sourceOf(folder, forNode(target)) };
    });
    onResolve({ filter: /^#/ }, ({ path, importer }) => {
      const [folder] = importer.slice(packages.length + 1).split('/');
      return { path: sourceOf(folder, forNode(manifestOf(folder).imports[path])) };
    });
  },
};

await build({
  stdin: {
    contents: `export { Agent, MemoryStore } from '@agentmesh/agent';
      export { AgentKeyPair, ready } from '@agentmesh/crypto';`,
    resolveDir: packages,
  },
  outfile: join(root, 'packages/agent/vectors', `${name}.mjs`),
  bundle: true,
  minify: true,
  charset: 'utf8',
  legalComments: 'none',
  format: 'esm',
  platform: 'node',
  target: 'es2023',
  conditions: ['node', 'import'],
  external: ['libsodium-wrappers', 'sodium-native'],
  tsconfigRaw: {},
  plugins: [formerSources],
  logLevel: 'warning',
});
