import { jestConfig } from '../../scripts/jest-preset.mjs';

// Much of these tests is waiting: for processes, clusters and elections.
export default jestConfig({ maxWorkers: 2 });
