/** The version that the server tells its clients is the one that is published. */
import { readFileSync } from 'node:fs';

import { expect, test } from '@jest/globals';

import { version } from './version.js';

test('the version told is the version published', () => {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  expect(manifest).toMatchObject({ name: '@agentmesh/mcp', version });
});
