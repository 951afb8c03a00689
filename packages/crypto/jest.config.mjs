import { jestConfig } from '../../scripts/jest-preset.mjs';

export default jestConfig({
  moduleNameMapper: { '^#symmetric$': '<rootDir>/src/symmetric/node.ts' },
});
