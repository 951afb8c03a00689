/**
 * Lets a program load the single modules of `dist` instead of the bundles made of them: for tools
 * that look at modules, and for tests that reach into one. Used with `node --import`.
 */
import * as hooks from 'node:module';

const toModule = (url) => url.replace(/\.bundle\.js$/, '.js');

if (hooks.registerHooks !== undefined) {
  hooks.registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      return { ...resolved, url: toModule(resolved.url) };
    },
  });
} else {
  const source = `export async function resolve(specifier, context, next) {
    const resolved = await next(specifier, context);
    return { ...resolved, url: resolved.url.replace(/\\.bundle\\.js$/, '.js') };
  }`;
  hooks.register(`data:text/javascript,${encodeURIComponent(source)}`);
}
