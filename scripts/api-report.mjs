/**
 * Compares the public names of the published packages with their committed API reports, one per
 * door (`api/index.api.md`, …), so that a change of the surface shows in review. `--update`
 * rewrites them. Reads the built declarations: build first.
 *
 * In the folder of a package it compares that package; in `scripts`, all, with one compilation:
 * loading the compiler and the libraries' types takes longer than any report.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import process from 'node:process';

import {
  CompilerState,
  Extractor,
  ExtractorConfig,
  ExtractorLogLevel,
} from '@microsoft/api-extractor';

import { lineDiff } from './line-diff.mjs';
import { publishedPackages, readManifest } from './packing.mjs';

const update = process.argv.includes('--update');
const reportsOf = ({ folder }) => join(folder, 'api');

function configOf({ folder }, { name, types }) {
  return ExtractorConfig.prepare({
    packageJsonFullPath: join(folder, 'package.json'),
    configObjectFullPath: undefined,
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: resolve(folder, types),
      // The compiler options of the build, without its files: only the declarations are read.
      compiler: { overrideTsconfig: declarationOptions },
      apiReport: {
        enabled: true,
        reportFileName: name,
        // A type that is reachable but has no door of its own is part of the surface all the same.
        includeForgottenExports: true,
        reportFolder: join(folder, 'api'),
        reportTempFolder: join(folder, '.cache', 'api'),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: { default: { logLevel: 'error' } },
        extractorMessageReporting: {
          default: { logLevel: 'error' },
          // Everything exported is public here: no release tags, no package-wide comment.
          'ae-missing-release-tag': { logLevel: 'none' },
          'ae-undocumented': { logLevel: 'none' },
          'ae-forgotten-export': { logLevel: 'none' },
          'ae-unresolved-link': { logLevel: 'none' },
        },
        tsdocMessageReporting: { default: { logLevel: 'none' } },
      },
    },
  });
}

/** Whether the report of one door differs from the committed one, and whether it could be made. */
function report({ folder, manifest }, config) {
  const problems = [];
  const { apiReportChanged } = Extractor.invoke(config, {
    compilerState,
    localBuild: update,
    messageCallback(message) {
      message.handled = true;
      if (message.logLevel !== ExtractorLogLevel.Error) return;
      problems.push(message.formatMessageWithLocation(folder));
    },
  });
  for (const problem of problems) console.error(`${manifest.name}: ${problem}`);
  return { changed: apiReportChanged, broken: problems.length > 0 };
}

/** What changed, and what to do about it. */
function explain({ folder, manifest }, file) {
  const committed = join(folder, 'api', file);
  const before = existsSync(committed) ? readFileSync(committed, 'utf8') : '';
  const after = readFileSync(join(folder, '.cache', 'api', file), 'utf8');
  const lines = lineDiff(before, after.replaceAll('\r\n', '\n'));
  console.error(
    `${manifest.name}: the public API differs from api/${file}:\n\n${lines.join('\n')}\n\n` +
      'If that is meant, run `pnpm api:update` and `pnpm changeset`, and commit what they write.',
  );
}

const declarationOptions = {
  compilerOptions: {
    target: 'ES2023',
    lib: ['ES2024', 'ESNext.Disposable', 'DOM', 'DOM.Iterable'],
    types: ['node'],
    module: 'NodeNext',
    moduleResolution: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true,
  },
};

/** The doors of a package: the name of each report, and the declarations that it is made of. */
function doorsOf({ manifest }) {
  return Object.values(manifest.exports)
    .map(({ types }) => types)
    .filter((types) => types !== undefined)
    .map((types) => ({ name: basename(types, '.d.ts'), types }));
}

/** Whether the reports of a package are as they must be; `--update` makes them so. */
function compare(entry) {
  const { manifest, configs } = entry;
  let good = true;
  for (const { name, config } of configs) {
    const { changed, broken } = report(entry, config);
    if (broken || (changed && !update)) good = false;
    if (!changed) continue;
    const file = `${name}.api.md`;
    if (update) console.error(`${manifest.name}: api/${file} updated`);
    else explain(entry, file);
  }
  const names = new Set(configs.map(({ name }) => name));
  for (const file of readdirSync(reportsOf(entry))) {
    if (names.has(file.replace(/\.api\.md$/, ''))) continue;
    if (update) rmSync(join(reportsOf(entry), file));
    else {
      console.error(`${manifest.name}: api/${file} belongs to no door: run \`pnpm api:update\``);
      good = false;
    }
  }
  return good;
}

const here = process.cwd();
const chosen =
  here === import.meta.dirname
    ? publishedPackages()
    : [{ folder: here, manifest: readManifest(here) }];
const entries = chosen.map((one) => {
  mkdirSync(reportsOf(one), { recursive: true });
  return {
    ...one,
    configs: doorsOf(one).map((door) => ({ ...door, config: configOf(one, door) })),
  };
});
const [first, ...others] = entries.flatMap(({ configs }) => configs.map(({ config }) => config));
const additionalEntryPoints = others.map((config) => config.mainEntryPointFilePath);
const compilerState = CompilerState.create(first, { additionalEntryPoints });
const failed = entries.filter((entry) => !compare(entry));
process.exit(failed.length === 0 ? 0 : 1);
