import { jestConfig } from '../../scripts/jest-preset.mjs';

export default jestConfig({
  // Handshakes take their time on a busy machine.
  testTimeout: 180_000,
  moduleNameMapper: {
    '^#key-file$': '<rootDir>/src/keys/key-file-node.ts',
    '^#async-scope$': '<rootDir>/src/ground/async-scope-node.ts',
  },
});
