/**
 * A jest reporter that writes `test-results/jest.json` in the package: counts, and the titles of
 * skipped and failed tests. `scripts/verify.mjs` sums these files; turbo keeps them in its cache.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const titles = (results, statuses) =>
  results.testResults.flatMap((suite) =>
    suite.testResults
      .filter((test) => statuses.includes(test.status))
      .map((test) => [...test.ancestorTitles, test.title].join(' › ')),
  );

export default class ResultFileReporter {
  constructor(globalConfig) {
    this.rootDir = globalConfig.rootDir;
  }

  onRunComplete(_contexts, results) {
    // A file that does not even load has no tests of its own, yet it must count as a failure.
    const broken = results.testResults.filter((suite) => suite.testExecError);
    const summary = {
      passed: results.numPassedTests,
      failed: results.numFailedTests + broken.length,
      skipped: results.numPendingTests + results.numTodoTests,
      skippedTitles: titles(results, ['pending', 'todo', 'skipped', 'disabled']),
      failedTitles: [
        ...titles(results, ['failed']),
        ...broken.map((suite) => `${suite.testFilePath} does not load`),
      ],
    };
    const folder = join(this.rootDir, 'test-results');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'jest.json'), `${JSON.stringify(summary, null, 2)}\n`);
  }
}
