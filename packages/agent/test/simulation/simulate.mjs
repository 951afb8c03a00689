/**
 * Runs the simulation outside of the tests: `pnpm --filter @agentmesh/agent simulate --help`.
 * Node reads the TypeScript itself; this only lets it find `x.ts` where a file imports `x.js`.
 */
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith('.') && specifier.endsWith('.js')) {
      const url = new URL(specifier.replace(/js$/, 'ts'), context.parentURL);
      if (existsSync(fileURLToPath(url))) return next(url.href, context);
    }
    return next(specifier, context);
  },
});

const { main } = await import('./main.ts');
process.exitCode = await main(process.argv.slice(2));
