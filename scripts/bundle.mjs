/**
 * Joins the built modules of the current package into one file for each entry, with shared parts
 * beside it: Node spends half a millisecond on each module that it looks up, and there are two
 * hundred (docs/decisions/0041-bundled-entries.md). Runs after `tsc`, whose modules stay in `dist`
 * for tests and tools; only the bundles are published.
 *
 * What is bundled stands in package.json: `dist/x.bundle.js` is made of `dist/x.js` for Node or any
 * runtime, `dist/x.browser.js` of the same for browsers. Other packages are imported, not included.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

import { build } from 'esbuild';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));

/** Every path in a tree of conditions. */
const pathsIn = (tree) =>
  typeof tree === 'object' ? Object.values(tree).flatMap(pathsIn) : [tree];
const targets = [...pathsIn(manifest.exports ?? {}), ...pathsIn(manifest.bin ?? {})];
const { dependencies, peerDependencies, devDependencies } = manifest;
const packages = Object.keys({ ...dependencies, ...peerDependencies, ...devDependencies });

async function bundle(suffix, options) {
  const wanted = targets.filter((path) => path.endsWith(suffix));
  const entryPoints = [...new Set(wanted)].map((path) => path.replace(suffix, '.js'));
  if (entryPoints.length === 0) return;
  await build({
    entryPoints,
    outdir: 'dist',
    entryNames: `[name]${suffix.replace(/\.js$/, '')}`,
    chunkNames: `chunk-[hash]${suffix.replace(/\.js$/, '')}`,
    bundle: true,
    splitting: true,
    format: 'esm',
    target: 'es2023',
    external: ['node:*', ...packages.flatMap((name) => [name, `${name}/*`])],
    // The paths of our own sources are for tests; package.json decides, as for a user.
    tsconfigRaw: {},
    sourcemap: true,
    logLevel: 'warning',
    absWorkingDir: join(process.cwd()),
    ...options,
  });
}

await bundle('.bundle.js', { platform: 'neutral', conditions: ['node', 'import'] });
await bundle('.browser.js', { platform: 'browser', conditions: ['browser', 'import'] });
