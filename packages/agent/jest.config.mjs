import { jestConfig } from '../../scripts/jest-preset.mjs';

export default jestConfig({
  moduleNameMapper: { '^#key-file$': '<rootDir>/src/key-file-node.ts' },
});
