/**
 * Keeps what V8 has compiled of jest, ts-jest and the TypeScript compiler for the next process that
 * loads them: each package has three. Programs that tests start are not concerned.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)));
