/**
 * The one jest configuration of the workspace: TypeScript as ES modules through ts-jest, and a
 * reporter that leaves `test-results/jest.json`. Types are not checked here: `typecheck` does it.
 */
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const reporter = fileURLToPath(new URL('./jest-reporter.mjs', import.meta.url));

const environment = fileURLToPath(new URL('./jest-environment.mjs', import.meta.url));

const cache = fileURLToPath(new URL('../node_modules/.cache/jest', import.meta.url));

export function jestConfig({ moduleNameMapper = {}, ...rest } = {}) {
  return {
    testEnvironment: environment,
    testMatch: ['<rootDir>/src/**/*.test.ts', '<rootDir>/test/**/*.test.ts'],
    extensionsToTreatAsEsm: ['.ts'],
    moduleNameMapper: { ...moduleNameMapper, '^(\\.{1,2}/.*)\\.js$': '$1' },
    transform: { '^.+\\.ts$': ['ts-jest', { useESM: true, tsconfig: '<rootDir>/tsconfig.json' }] },
    // Kept from run to run, unlike the temporary files of tests.
    cacheDirectory: cache,
    reporters: ['default', reporter],
    // A guard against hanging, not a measure: machines that build and test are busy.
    testTimeout: 120_000,
    // Two at least: `npm test` runs few packages at a time, and the last one alone.
    maxWorkers: Math.max(2, Math.ceil(availableParallelism() / 2)),
    passWithNoTests: true,
    ...rest,
  };
}
