/**
 * JSON text from outside, read strictly: one object and nothing around it, bounded nesting, no key
 * twice, no lone surrogate, no number beyond a double. Owns what JSON.parse lets pass or cannot
 * see; leaves the grammar itself to JSON.parse. Does not know frames or payloads.
 *
 * One pass over the characters, without recursion: strings are skipped with indexOf, so that the
 * long text of a blob costs next to nothing.
 */
import { pathOf } from './json-path.js';
import type { PathStep } from './json-path.js';

/** What a JSON object holds. */
export type JsonValue = string | number | boolean | null | JsonObject | readonly JsonValue[];

/** Plain JSON data, as it arrives from a peer. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** What is wrong with a text, and where; never a value of it. */
export interface JsonFault {
  readonly what: string;
  readonly path: string;
}

export type JsonReading =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly fault: JsonFault };

/** What a reader asks beyond JSON. */
export interface JsonRules {
  /** Nesting allowed; the object itself is level 1. */
  readonly maxDepth: number;
  readonly forbiddenKeys?: ReadonlySet<string>;
}

/** An object or array that has been opened and not yet closed. */
interface Container {
  /** Keys seen so far; `null` in an array. */
  readonly keys: Set<string> | null;
  step: PathStep;
}

const LONE_SURROGATE = /\p{Surrogate}/u;
const NUMBER = /[-+.\deE]+/y;
const KEY_FOLLOWS = /[ \t\r\n]*:/y;
/** Digits beyond which a number without an exponent can exceed a double. */
const LONG_NUMBER = 300;

const CODE = {
  quote: 0x22,
  comma: 0x2c,
  minus: 0x2d,
  zero: 0x30,
  nine: 0x39,
  openArray: 0x5b,
  backslash: 0x5c,
  closeArray: 0x5d,
  openObject: 0x7b,
  closeObject: 0x7d,
} as const;

/** Whether every surrogate of a text has its other half. */
export function isWellFormed(text: string): boolean {
  return !LONE_SURROGATE.test(text);
}

/** Reads one JSON object. Never throws; takes time proportional to the text. */
export function readJsonObject(text: string, rules: JsonRules): JsonReading {
  if (!text.startsWith('{') || !text.endsWith('}')) return refused('not one JSON object', []);
  if (!isWellFormed(text)) return refused('lone surrogate', []);
  const fault = new Scanner(text, rules).run();
  if (fault !== null) return { ok: false, fault };
  try {
    return { ok: true, value: JSON.parse(text) as JsonObject };
  } catch {
    // The message of JSON.parse quotes the text: it is not passed on.
    return refused('not valid JSON', []);
  }
}

function refused(what: string, steps: readonly PathStep[]): JsonReading {
  return { ok: false, fault: { what, path: pathOf(steps) } };
}

/** Text of a string token, quotes included; `null` when it is not a valid one. */
function stringOf(token: string): string | null {
  if (!token.includes('\\')) return token.slice(1, -1);
  try {
    return JSON.parse(token) as string;
  } catch {
    return null;
  }
}

/** Walks the tokens of a text that need not be valid JSON. */
class Scanner {
  readonly #text: string;
  readonly #rules: JsonRules;
  readonly #open: Container[] = [];
  #at = 0;

  constructor(text: string, rules: JsonRules) {
    this.#text = text;
    this.#rules = rules;
  }

  run(): JsonFault | null {
    while (this.#at < this.#text.length) {
      const fault = this.#token(this.#text.charCodeAt(this.#at));
      if (fault !== null) {
        return { what: fault, path: pathOf(this.#open.map((container) => container.step)) };
      }
    }
    return null;
  }

  #token(code: number): string | null {
    if (code === CODE.quote) return this.#string();
    if (code === CODE.minus || (code >= CODE.zero && code <= CODE.nine)) return this.#number();
    this.#at += 1;
    if (code === CODE.openObject) return this.#push({ keys: new Set(), step: null });
    if (code === CODE.openArray) return this.#push({ keys: null, step: 0 });
    if (code === CODE.closeObject || code === CODE.closeArray) this.#open.pop();
    if (code === CODE.comma) this.#nextElement();
    return null;
  }

  #push(container: Container): string | null {
    if (this.#open.length >= this.#rules.maxDepth) return 'nested too deep';
    this.#open.push(container);
    return null;
  }

  #nextElement(): void {
    const container = this.#open.at(-1);
    if (typeof container?.step === 'number') container.step += 1;
  }

  #string(): string | null {
    const end = this.#endOfString();
    if (end < 0) return 'not valid JSON';
    const token = this.#text.slice(this.#at, end);
    this.#at = end;
    const container = this.#open.at(-1);
    if (container?.keys != null && this.#keyEndsHere()) {
      return this.#key(token, container.keys, container);
    }
    const escaped = token.includes('\\u');
    return escaped && !isWellFormed(stringOf(token) ?? '') ? 'lone surrogate' : null;
  }

  /** Position after the closing quote: the first one after an even number of backslashes. */
  #endOfString(): number {
    for (let quote = this.#at; ;) {
      quote = this.#text.indexOf('"', quote + 1);
      if (quote < 0) return -1;
      let slash = quote;
      while (this.#text.charCodeAt(slash - 1) === CODE.backslash) slash -= 1;
      if ((quote - slash) % 2 === 0) return quote + 1;
    }
  }

  #keyEndsHere(): boolean {
    KEY_FOLLOWS.lastIndex = this.#at;
    return KEY_FOLLOWS.test(this.#text);
  }

  #key(token: string, keys: Set<string>, container: Container): string | null {
    const key = stringOf(token);
    if (key === null) return 'not valid JSON';
    container.step = key;
    if (!isWellFormed(key)) return 'lone surrogate';
    if (keys.has(key)) return 'key twice';
    if (this.#rules.forbiddenKeys?.has(key) === true) return 'forbidden key';
    keys.add(key);
    return null;
  }

  #number(): string | null {
    NUMBER.lastIndex = this.#at;
    const token = NUMBER.exec(this.#text)?.[0] ?? '';
    this.#at += token.length;
    // Only these can exceed a double; what is no number at all JSON.parse refuses.
    if (token.length < LONG_NUMBER && !/e/i.test(token)) return null;
    return Math.abs(Number(token)) === Infinity ? 'number out of range' : null;
  }
}
