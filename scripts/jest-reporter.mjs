/**
 * A jest reporter that writes `test-results/jest.json` in the package: counts, the titles of
 * skipped and failed tests with their files, and how long each file took. `scripts/verify.mjs` sums
 * these files; turbo keeps them in its cache.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export default class ResultFileReporter {
  constructor(globalConfig) {
    this.rootDir = globalConfig.rootDir;
  }

  onRunComplete(_contexts, results) {
    const file = (suite) => relative(this.rootDir, suite.testFilePath);
    const tests = (statuses) =>
      results.testResults.flatMap((suite) =>
        suite.testResults
          .filter((test) => statuses.includes(test.status))
          .map((test) => ({
            file: file(suite),
            title: [...test.ancestorTitles, test.title].join(' › '),
          })),
      );
    // A file that does not even load has no tests of its own, yet it must count as a failure.
    const broken = results.testResults.filter((suite) => suite.testExecError);
    const summary = {
      passed: results.numPassedTests,
      failed: results.numFailedTests + broken.length,
      skipped: results.numPendingTests + results.numTodoTests,
      skippedTests: tests(['pending', 'todo', 'skipped', 'disabled']),
      failedTests: [
        ...tests(['failed']),
        ...broken.map((suite) => ({ file: file(suite), title: 'the file does not load' })),
      ],
      files: results.testResults.map((suite) => ({
        file: file(suite),
        seconds: Math.round(suite.perfStats.runtime / 100) / 10,
      })),
    };
    const folder = join(this.rootDir, 'test-results');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'jest.json'), `${JSON.stringify(summary, null, 2)}\n`);
  }
}
