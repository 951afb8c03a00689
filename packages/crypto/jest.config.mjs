import { jestConfig } from '../../scripts/jest-preset.mjs';

const shared = jestConfig({
  moduleNameMapper: {
    '^#accelerator$': '<rootDir>/src/accelerator/node.ts',
    '^#hash$': '<rootDir>/src/hash/node.ts',
    '^#symmetric$': '<rootDir>/src/symmetric/node.ts',
    '^#ed25519$': '<rootDir>/src/ed25519/node.ts',
    '^#x25519$': '<rootDir>/src/x25519/node.ts',
  },
});
const { reporters, maxWorkers, passWithNoTests, testTimeout, ...project } = shared;

/** What depends on how signatures and curves are computed: vectors, attacks, the differential. */
const ACCELERATED = [
  '*.vectors',
  'accelerator',
  'authorship',
  'bad-points',
  'bundle-attacks',
  'first-message-tampering',
  'forged-frames',
  'framing',
  'healing',
  'replay',
  'splicing',
  'vectors',
];

// Every test runs without the accelerator, as most users do; these run again with it.
export default {
  reporters,
  maxWorkers,
  passWithNoTests,
  testTimeout,
  projects: [
    {
      ...project,
      displayName: 'libsodium-wrappers',
      setupFiles: ['<rootDir>/test/without-accelerator.ts'],
    },
    {
      ...project,
      displayName: 'sodium-native',
      testMatch: ACCELERATED.map((name) => `<rootDir>/test/${name}.test.ts`),
    },
  ],
};
