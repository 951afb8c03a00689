/**
 * Where in a JSON document something is wrong, as text for an error: `$.tasks[3].name`.
 * Owns the notation. Keys come from outside, so odd ones are quoted and long ones cut.
 */

/** A key, an index, or `null` for a container whose first key has not been read. */
export type PathStep = string | number | null;

const PLAIN_KEY = /^[A-Za-z_][\w-]*$/;
const KEY_LENGTH = 40;
const PATH_LENGTH = 200;

/** Path from the root object, at most {@link PATH_LENGTH} characters of ASCII. */
export function pathOf(steps: readonly PathStep[]): string {
  const path = `$${steps.map(stepText).join('')}`;
  return path.length <= PATH_LENGTH ? path : `${path.slice(0, PATH_LENGTH - 3)}...`;
}

function stepText(step: PathStep): string {
  if (step === null) return '';
  if (typeof step === 'number') return `[${step}]`;
  const key = step.length <= KEY_LENGTH ? step : `${step.slice(0, KEY_LENGTH)}...`;
  if (PLAIN_KEY.test(key)) return `.${key}`;
  return `[${JSON.stringify(key).replace(/[^\x20-\x7e]/g, '?')}]`;
}
