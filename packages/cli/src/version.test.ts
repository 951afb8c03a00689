/** The version that holder and clients tell each other is the one that is published. */
import { readFileSync } from 'node:fs';

import { expect, test } from '@jest/globals';

import { version } from './version.js';

test('the version told is the version published', () => {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  );
  expect(manifest).toMatchObject({ name: '@agentmesh/cli', version });
});
