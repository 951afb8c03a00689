/**
 * The input of an operation from flags: `--words 3` is the member `words`. Owns the reading of
 * flags by a JSON Schema.
 */
import { controlError } from '../control/error.js';
import type { Json } from '../control/api.js';
import type { JsonSchema } from '../profile/contracts.js';

type Members = Record<string, Json>;

/** The input that flags name. BAD_OPTION. */
export function inputFrom(flags: readonly string[], schema: JsonSchema): Json {
  const { properties = {} } = schema as { readonly properties?: Record<string, JsonSchema> };
  const known = Object.keys(properties);
  const input: Members = {};
  const rest = flags.filter((flag) => flag !== '--');
  while (rest.length > 0) {
    const flag = rest.shift() ?? '';
    const [, no, name = '', , given] = /^--(no-)?([^=]+)(=([\s\S]*))?$/.exec(flag) ?? [];
    const member = known.find((one) => one === name || kebab(one) === name);
    if (member === undefined) {
      const names = known.map((one) => `--${kebab(one)}`).join(', ');
      throw controlError('BAD_OPTION', `${flag}: this operation has ${names || 'no flags'}`);
    }
    const shape = properties[member] ?? {};
    if (typeOf(shape) === 'boolean' && given === undefined) {
      input[member] = no === undefined;
      continue;
    }
    const text = given ?? rest.shift();
    if (text === undefined) throw controlError('BAD_OPTION', `${flag}: a value`);
    const value = valueFrom(text, shape, flag);
    const isList = typeOf(shape) === 'array' && !Array.isArray(value);
    input[member] = isList ? [...((input[member] as Json[] | undefined) ?? []), value] : value;
  }
  return input;
}

function valueFrom(text: string, shape: JsonSchema, flag: string): Json {
  const type = typeOf(shape);
  if (type === 'string') return text;
  if (type === 'array' && !text.startsWith('[')) {
    return valueFrom(text, (shape['items'] as JsonSchema | undefined) ?? {}, flag);
  }
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    // Without a type it is what it looks like.
    if (type === null) return text;
    throw controlError('BAD_OPTION', `${flag} ${text}: not ${articled(type)}`, cause);
  }
}

function articled(type: string): string {
  return /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`;
}

function typeOf(shape: JsonSchema): string | null {
  const { type } = shape;
  if (typeof type === 'string') return type;
  const isText =
    Array.isArray(shape['enum']) && shape['enum'].every((one) => typeof one === 'string');
  return isText ? 'string' : null;
}

/** `maxWords` is `--max-words`. */
function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll('_', '-');
}
