/**
 * The door of the `agentmesh` command: it says its version with nothing loaded, and opens the
 * command of `@agentmesh/cli` for everything else.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { version } from '../src/index.js';

const MAIN = fileURLToPath(new URL('../dist/main.bundle.js', import.meta.url));

function agentmesh(args: readonly string[], nodeArgs: readonly string[] = []) {
  const all = [...nodeArgs, MAIN, ...args];
  return spawnSync(process.execPath, all, { encoding: 'utf8', timeout: 60_000 });
}

describe('the door of the command', () => {
  test('says the version, and loads nothing of what encrypts, nor the command itself', () => {
    expect(agentmesh(['--version'])).toMatchObject({ stdout: `${version}\n`, status: 0 });
    // What it would load by itself, it imports by itself: nothing.
    const text = readFileSync(MAIN, 'utf8');
    expect(text).not.toMatch(/^import .* from ["'](?!\.\/chunk-)/m);
    const blocker = `import { registerHooks } from 'node:module';
      registerHooks?.({
        resolve(name, context, next) {
          if (/^@agentmesh\\/(?!crypto\\/runtime$)/.test(name)) throw new Error('loaded ' + name);
          return next(name, context);
        },
      });`;
    const preload = `data:text/javascript,${encodeURIComponent(blocker)}`;
    const blocked = agentmesh(['--version'], ['--import', preload]);
    expect(blocked).toMatchObject({ stdout: `${version}\n`, stderr: '', status: 0 });
  });

  test('opens the command', () => {
    const { stdout, status } = agentmesh(['--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('agentmesh [options] [command]');
    expect(agentmesh(['eat'])).toMatchObject({ status: 2, stdout: '' });
  });

  test('is shown in the README, every command of which is one', () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const { stdout } = agentmesh(['--help']);
    const shown = [...readme.matchAll(/npx agentmesh ([a-z-]+)/g)].map(([, name]) => name);
    expect(shown).toContain('up');
    for (const name of new Set(shown)) expect(stdout).toContain(`  ${name}`);
  });
});
