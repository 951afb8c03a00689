/**
 * Times and counts on the command line: `30s`, `10m`, `20`.
 * Owns their spelling, the same as that of the API, and its refusals.
 */
import { controlError } from '../control/error.js';

const TEXT = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/;
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds; BAD_OPTION with the option's name. */
export function msOf(text: string, option: string): number {
  const [, count, unit] = TEXT.exec(text) ?? [];
  if (count === undefined) {
    throw controlError('BAD_OPTION', `${option} ${text}: a time such as 500ms, 30s, 10m, 2h or 3d`);
  }
  return Math.ceil(Number(count) * (UNITS[unit ?? ''] ?? 1));
}

/** A whole number in its bounds; BAD_OPTION with the option's name. */
export function countOf(text: string, option: string, most: number): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= most) return count;
  throw controlError('BAD_OPTION', `${option} ${text}: a whole number from 1 to ${most}`);
}
