/**
 * Times that a program gives: milliseconds, or a text such as `10m`. Owns the spelling; what a
 * time means is the matter of the option that holds it.
 */
import { AgentError } from './errors.js';

/** Milliseconds, or a number with a unit: `500ms`, `30s`, `10m`, `2h`, `3d`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const TEXT = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/;
const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** A hundred years: far from where adding to a date stops being exact. */
const LONGEST_MS = 100 * 365 * 86_400_000;

/** Milliseconds, at least 1; throws BAD_OPTION with the option's name. */
export function durationMs(value: unknown, option: string): number {
  const [, count, unit] = typeof value === 'string' ? (TEXT.exec(value) ?? []) : [];
  const ms = typeof value === 'number' ? value : Number(count) * (UNITS[unit ?? ''] ?? NaN);
  if (!(ms >= 1 && ms <= LONGEST_MS)) {
    throw new AgentError('BAD_OPTION', `${option}: milliseconds, or a text such as '30s' or '10m'`);
  }
  return Math.ceil(ms);
}
