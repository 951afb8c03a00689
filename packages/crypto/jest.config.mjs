import { jestConfig } from '../../scripts/jest-preset.mjs';

export default jestConfig({
  moduleNameMapper: {
    '^#hash$': '<rootDir>/src/hash/node.ts',
    '^#symmetric$': '<rootDir>/src/symmetric/node.ts',
    '^#ed25519$': '<rootDir>/src/ed25519/node.ts',
    '^#x25519$': '<rootDir>/src/x25519/node.ts',
  },
});
