import { readFileSync } from 'node:fs';

import { expect, test } from '@jest/globals';

import { version } from './index.js';

test('the version exported is the version published', () => {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  expect(manifest).toMatchObject({ name: 'agentmesh', version });
});
