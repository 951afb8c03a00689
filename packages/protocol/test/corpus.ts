/**
 * Reads the corpora of bad input. Owns their notation: a text, or parts of which `[text, n]` stands
 * for `text` n times; `<prekey>` in a frame stands for 1,337 bytes in base64url.
 */
import { readFileSync } from 'node:fs';
import type { ErrorCode } from '../src/errors.js';

type Parts = string | readonly (string | readonly [string, number])[];

export interface BadFrame {
  readonly name: string;
  readonly from: 'client' | 'hub';
  readonly text: string;
  readonly code: ErrorCode;
  readonly id: number | undefined;
}

export interface BadPayload {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly code: ErrorCode;
  /** `undefined` where the corpus does not say. */
  readonly path: string | undefined;
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(new URL(`./corpus/${file}`, import.meta.url), 'utf8'));
}

function textOf(parts: Parts): string {
  if (typeof parts === 'string') return parts;
  return parts.map((part) => (typeof part === 'string' ? part : part[0].repeat(part[1]))).join('');
}

interface FramesFile {
  readonly prekey: string;
  readonly good: readonly { from: 'client' | 'hub'; text: string }[];
  readonly bad: readonly {
    name: string;
    from: 'client' | 'hub';
    text: Parts;
    code: ErrorCode;
    id?: number;
  }[];
}

export function frameCorpus(): {
  good: { from: 'client' | 'hub'; text: string }[];
  bad: BadFrame[];
} {
  const file = read('bad-frames.json') as FramesFile;
  const whole = (parts: Parts): string => textOf(parts).replaceAll('<prekey>', file.prekey);
  return {
    good: file.good.map(({ from, text }) => ({ from, text: whole(text) })),
    bad: file.bad.map(({ name, from, text, code, id }) => ({
      name,
      from,
      text: whole(text),
      code,
      id,
    })),
  };
}

interface PayloadsFile {
  readonly bad: readonly {
    name: string;
    text?: Parts;
    hex?: string;
    path: string | null;
    code: ErrorCode;
  }[];
}

export function payloadCorpus(): BadPayload[] {
  const file = read('bad-payloads.json') as PayloadsFile;
  return file.bad.map(({ name, text, hex, path, code }) => ({
    name,
    bytes:
      text === undefined
        ? Uint8Array.from(Buffer.from(hex ?? '', 'hex'))
        : new TextEncoder().encode(textOf(text)),
    code,
    path: path ?? undefined,
  }));
}
