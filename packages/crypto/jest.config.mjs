import { jestConfig } from '../../scripts/jest-preset.mjs';

export default jestConfig({
  moduleNameMapper: {
    '^#hash$': '<rootDir>/src/hash/node.ts',
    '^#symmetric$': '<rootDir>/src/symmetric/node.ts',
  },
});
