import { expect, test } from '@jest/globals';
import { chooseCollector } from './collector.js';
import type { ReplaceableProcess } from './collector.js';

/** What a process would be replaced with; null if it goes on. */
function replacement(
  change: Partial<ReplaceableProcess> = {},
  processors = 8,
): readonly string[] | null {
  let replaced: readonly string[] | null = null;
  const target: ReplaceableProcess = {
    execPath: '/bin/node',
    execArgv: ['--enable-source-maps'],
    argv: ['/bin/node', '/hub.js', '--port', '1'],
    env: {},
    platform: 'linux',
    execve: (file, args) => (replaced = [file, ...args]),
    ...change,
  };
  chooseCollector(target, () => processors);
  return replaced;
}

test('a hub is started again as itself, with the flag before its own', () => {
  const node = '/bin/node';
  const flags = ['--max-semi-space-size=8', '--enable-source-maps'];
  expect(replacement()).toEqual([node, node, ...flags, '/hub.js', '--port', '1']);
});

test.each([
  [1, true],
  [2, true],
  [3, false],
])('with %i processors a hub collects in its own thread alone: %s', (processors, isAlone) => {
  expect(replacement({}, processors)?.includes('--single-threaded-gc')).toBe(isAlone);
});

test.each<[string, Partial<ReplaceableProcess>]>([
  ['the replaced process', { execArgv: ['--max-semi-space-size=8'] }],
  [
    "an operator's choice",
    { env: { NODE_OPTIONS: '--max-old-space-size=99 --max-semi-space-size=64' } },
  ],
  ['Windows', { platform: 'win32' }],
  ['a Node that cannot', { execve: undefined }],
  ['a command that only answers', { argv: ['/bin/node', '/hub.js', '--version'] }],
])('%s goes on as it is', (_, change) => {
  expect(replacement(change)).toBeNull();
});
