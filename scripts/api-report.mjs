/**
 * Compares the public names of the current package with its committed API reports, one per door
 * (`api/index.api.md`, …), so that a change of the surface shows in review. `--update` rewrites
 * them. Reads the built declarations: build first.
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

const update = process.argv.includes('--update');
const folder = process.cwd();
const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const reportFolder = join(folder, 'api');

function configOf(name, types) {
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
        reportFolder,
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
function report(config, compilerState) {
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
function explain(file) {
  const committed = join(reportFolder, file);
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

const doors = Object.values(manifest.exports)
  .map((door) => door.types)
  .filter((types) => types !== undefined);
const names = doors.map((types) => basename(types, '.d.ts'));
mkdirSync(reportFolder, { recursive: true });
const configs = doors.map((types, index) => configOf(names[index], types));
// One compilation for all doors: it is what costs the time.
const additionalEntryPoints = configs.map((config) => config.mainEntryPointFilePath);
const compilerState = CompilerState.create(configs[0], { additionalEntryPoints });
let failed = false;
for (const [index, config] of configs.entries()) {
  const { changed, broken } = report(config, compilerState);
  if (broken || (changed && !update)) failed = true;
  if (!changed) continue;
  const file = `${names[index]}.api.md`;
  if (update) console.error(`${manifest.name}: api/${file} updated`);
  else explain(file);
}
for (const file of readdirSync(reportFolder)) {
  if (names.includes(file.replace(/\.api\.md$/, ''))) continue;
  if (update) rmSync(join(reportFolder, file));
  else {
    console.error(`${manifest.name}: api/${file} belongs to no door: run \`pnpm api:update\``);
    failed = true;
  }
}
process.exit(failed ? 1 : 0);
