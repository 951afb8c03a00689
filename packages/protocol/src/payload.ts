/**
 * The application's payload: the JSON object inside a message of kind 1 (protocol.md §2.6).
 * Owns both directions and what counts as plain data. Does not know what a payload means.
 *
 * Decisions: nothing is dropped or converted in silence. `undefined`, functions, symbols, bigints,
 * NaN, Infinity, holes in arrays, class instances (Date, Map, Uint8Array and whatever has toJSON
 * on its class) are refused; -0 becomes 0, as JSON has it. Duplicate keys are refused on receipt.
 */
import { ProtocolError, tooLarge } from './errors.js';
import { pathOf } from './json-path.js';
import { isWellFormed, readJsonObject } from './json-text.js';
import type { JsonObject, JsonValue } from './json-text.js';
import { PROTOCOL_LIMITS } from './limits.js';

/** Keys that make careless code of the receiver write to a prototype. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set([
  '__proto__',
  'constructor',
  'prototype',
]);

const LIMIT = PROTOCOL_LIMITS.bodyBytes;
const utf8 = new TextEncoder();
// ignoreBOM keeps a byte order mark in the text, where it is refused: it stands before the object.
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * UTF-8 JSON of a plain object; throws BAD_PAYLOAD with the path of the first fault, or TOO_LARGE
 * above 1,000,000 bytes. Reads every property once and never calls toJSON.
 */
export function encodePayload(value: unknown): Uint8Array {
  const bytes = utf8.encode(JSON.stringify(snapshot(value)));
  assertSize(bytes.length);
  return bytes;
}

/** The object that a peer sent; throws BAD_PAYLOAD or TOO_LARGE. */
export function decodePayload(bytes: Uint8Array): JsonObject {
  assertSize(bytes.length);
  const reading = readJsonObject(strictText(bytes), {
    maxDepth: PROTOCOL_LIMITS.payloadDepth,
    forbiddenKeys: FORBIDDEN_KEYS,
  });
  if (reading.ok) return reading.value;
  const { what, path } = reading.fault;
  throw new ProtocolError('BAD_PAYLOAD', { detail: `${path}: ${what}` });
}

function assertSize(bytes: number): void {
  if (bytes > LIMIT) throw tooLarge('Payload', LIMIT, bytes);
}

function strictText(bytes: Uint8Array): string {
  try {
    return utf8Strict.decode(bytes);
  } catch {
    throw new ProtocolError('BAD_PAYLOAD', { detail: '$: not UTF-8' });
  }
}

/** A container on the way from the root to the value being copied. */
interface Trail {
  readonly parent: Trail | null;
  readonly container: object;
  readonly depth: number;
  step: string | number;
}

/** A copy that JSON.stringify turns into exactly what was checked. */
function snapshot(value: unknown): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('BAD_PAYLOAD', { detail: '$: not an object' });
  }
  try {
    return new PayloadCopy().object(value, null);
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    // A getter or a proxy of the caller threw.
    throw new ProtocolError('BAD_PAYLOAD', { detail: '$: cannot be read', cause: error });
  }
}

/** Copies one payload. Counts the least its JSON can take, so that work ends with the limit. */
class PayloadCopy {
  #atLeast = 0;

  object(source: object, parent: Trail | null): JsonObject {
    const trail = enter(source, parent);
    if (!isPlain(source)) refuse(parent, 'not plain data');
    if (Object.getOwnPropertySymbols(source).length > 0) refuse(parent, 'symbol as key');
    const copy = Object.create(null) as Record<string, JsonValue>;
    for (const key of Object.keys(source)) {
      trail.step = key;
      if (FORBIDDEN_KEYS.has(key)) refuse(trail, 'forbidden key');
      if (!isWellFormed(key)) refuse(trail, 'lone surrogate');
      this.#count(key.length + 3);
      copy[key] = this.#value((source as Record<string, unknown>)[key], trail);
    }
    return copy;
  }

  #array(source: readonly unknown[], parent: Trail): JsonValue[] {
    const trail = enter(source, parent);
    this.#count(source.length);
    if (!isPlain(Object.getPrototypeOf(source) as object)) refuse(parent, 'not plain data');
    // Holes and named properties would vanish in JSON; a hole is found below as `undefined`.
    if (Object.keys(source).length > source.length) refuse(parent, 'array with named properties');
    const copy: JsonValue[] = [];
    for (let index = 0; index < source.length; index++) {
      trail.step = index;
      copy.push(this.#value(source[index], trail));
    }
    return copy;
  }

  #value(value: unknown, trail: Trail): JsonValue {
    this.#count(1);
    switch (typeof value) {
      case 'boolean':
        return value;
      case 'string':
        return this.#text(value, trail);
      case 'number':
        return Number.isFinite(value) ? value : refuse(trail, 'not a finite number');
      case 'object':
        if (value === null) return null;
        return Array.isArray(value) ? this.#array(value, trail) : this.object(value, trail);
      default:
        return refuse(trail, `${typeof value} is not JSON`);
    }
  }

  #text(text: string, trail: Trail): string {
    this.#count(text.length);
    return isWellFormed(text) ? text : refuse(trail, 'lone surrogate');
  }

  #count(characters: number): void {
    this.#atLeast += characters;
    // The copy ends here, so the whole size is not known.
    if (this.#atLeast > LIMIT) throw tooLarge('Payload', LIMIT);
  }
}

/** Goes one level down; refuses cycles and too deep nesting. */
function enter(container: object, parent: Trail | null): Trail {
  for (let above = parent; above !== null; above = above.parent) {
    if (above.container === container) refuse(parent, 'contains itself');
  }
  const depth = (parent?.depth ?? 0) + 1;
  if (depth > PROTOCOL_LIMITS.payloadDepth) refuse(parent, 'nested too deep');
  return { parent, container, depth, step: '' };
}

/** Object literals and null-prototype objects of any realm: nothing is above their prototype. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function refuse(trail: Trail | null, what: string): never {
  const steps: (string | number)[] = [];
  for (let at = trail; at !== null; at = at.parent) steps.unshift(at.step);
  throw new ProtocolError('BAD_PAYLOAD', { detail: `${pathOf(steps)}: ${what}` });
}
