/**
 * How test files load modules where `shareModules` is set: Jest's own way, but code that is not of
 * tests is loaded once for all files that a worker runs, in the one context that they share
 * (`jest-environment.mjs`). Tests and their helpers are loaded anew for each file. A file that
 * replaces modules says in its first comment that it shares none:
 *
 * `@jest-environment-options {"shareModules": false}`
 */
import { fileURLToPath } from 'node:url';

import Runtime from 'jest-runtime';

/** Sources and what is built of them, and packages of others. The compliance tests are tests. */
const SHARED = /\/node_modules\/|\/(?:packages|apps)\/(?!hub-compliance\/)[^/]+\/(?:src|dist)\//;
const isShared = (path) => SHARED.test(path) && !path.endsWith('.test.ts');

export default class SharingRuntime extends Runtime {
  shared;

  constructor(config, environment, ...rest) {
    super(config, environment, ...rest);
    this.shared = environment.shared;
    if (this.shared === null) return;
    this.#use(this.shared.modules);
    const ours = this.getSourceMaps();
    for (const [path, map] of this.shared.sourceMaps) ours.set(path, map);
  }

  teardown() {
    if (this.shared === null) {
      super.teardown();
      return;
    }
    const { esm, cjs } = this.shared.modules;
    for (const [key, module] of esm) {
      const stays = key.startsWith('file:') && isShared(fileURLToPath(key));
      if (!stays || module.status !== 'evaluated') esm.delete(key);
    }
    for (const [path, module] of cjs) if (!isShared(path) || !module.loaded) cjs.delete(path);
    for (const [path, map] of this.getSourceMaps()) this.shared.sourceMaps.set(path, map);
    this.#use({ esm: new Map(), cjs: new Map() });
    super.teardown();
    // What stays may import later: with the loader that it was itself loaded by.
    this.#use(this.shared.modules);
    this.testState.enterTestCode();
  }

  #use({ esm, cjs }) {
    this.registries.esModuleRegistry = esm;
    this.registries.moduleRegistry = cjs;
  }
}
