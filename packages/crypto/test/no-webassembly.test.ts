/**
 * Runtimes that do not compile WebAssembly, such as Cloudflare Workers: the package can be imported
 * there, and `ready()` says what is missing.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const DOOR = fileURLToPath(new URL('../dist/index.js', import.meta.url));

test('without WebAssembly the package loads, and ready() says what to do', () => {
  const program = `
    const refuse = () => Promise.reject(new WebAssembly.CompileError('disallowed by embedder'));
    Object.assign(WebAssembly, { instantiate: refuse, compile: refuse });
    const { ready, CryptoError } = await import(process.argv[1]);
    const error = await ready().catch((thrown) => thrown);
    console.log(error instanceof CryptoError, error.code, error.retryable, error.message);`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program, DOOR],
    {
      encoding: 'utf8',
      timeout: 60_000,
    },
  );
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^true UNSUPPORTED_RUNTIME false .*WebAssembly.*Cloudflare Workers/);
});
