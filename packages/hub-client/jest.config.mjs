import { jestConfig } from '../../scripts/jest-preset.mjs';

export default jestConfig({
  moduleNameMapper: {
    '^#tcp$': '<rootDir>/src/tcp/node.ts',
    '^#websocket$': '<rootDir>/src/websocket/node.ts',
  },
});
