/**
 * Reads the Wycheproof files of `vectors/wycheproof` and registers tests over them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from '@jest/globals';

const folder = fileURLToPath(new URL('../vectors/wycheproof', import.meta.url));

/** One vector: hex strings by field name, beside its number, comment, flags and result. */
export interface WycheproofVector {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly result: 'valid' | 'invalid' | 'acceptable';
  /** Bytes of a hex field of the vector; throws when the field is absent. */
  bytes(field: string): Uint8Array;
  number(field: string): number;
}

export interface WycheproofGroup {
  readonly header: Readonly<Record<string, unknown>>;
  readonly vectors: readonly WycheproofVector[];
}

export const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

type Raw = Record<string, unknown>;

function field(raw: Raw, name: string, type: 'string' | 'number'): unknown {
  const value = raw[name];
  if (typeof value !== type) throw new TypeError(`vector has no ${type} ${name}`);
  return value;
}

function vectorOf(raw: Raw): WycheproofVector {
  return {
    tcId: Number(field(raw, 'tcId', 'number')),
    comment: typeof raw['comment'] === 'string' ? raw['comment'] : '',
    flags: Array.isArray(raw['flags']) ? raw['flags'].map(String) : [],
    result: String(field(raw, 'result', 'string')) as WycheproofVector['result'],
    bytes: (name) => hex(String(field(raw, name, 'string'))),
    number: (name) => Number(field(raw, name, 'number')),
  };
}

function load(file: string): WycheproofGroup[] {
  const parsed = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { testGroups: Raw[] };
  return parsed.testGroups.map(({ tests, ...header }) => ({
    header,
    vectors: (tests as Raw[]).map(vectorOf),
  }));
}

/** Registers a test over one Wycheproof file. */
export function wycheproof(
  file: string,
  title: string,
  body: (groups: readonly WycheproofGroup[]) => void | Promise<void>,
): void {
  test(`Wycheproof ${file}: ${title}`, async () => {
    await body(load(file));
  });
}

/** The numbers of the vectors that fail a check, so that one failure names them all. */
export function failing(
  vectors: readonly WycheproofVector[],
  holds: (vector: WycheproofVector) => boolean,
): number[] {
  return vectors.filter((vector) => !holds(vector)).map((vector) => vector.tcId);
}
