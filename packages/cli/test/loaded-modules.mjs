// Hooks that write down the URL of every module that is loaded, into the file $LOADED.
import { appendFileSync } from 'node:fs';
import { env } from 'node:process';

export function load(url, context, next) {
  appendFileSync(env.LOADED, `${url}\n`);
  return next(url, context);
}
