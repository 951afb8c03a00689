import type { Screen } from '../src/show.js';

/** A screen that keeps what was written. */
export function recorder(settings: Omit<Screen, 'write'> = {}): Screen & {
  readonly text: string;
  /** What was written, write by write. */
  readonly pieces: readonly string[];
} {
  const pieces: string[] = [];
  return {
    ...settings,
    pieces,
    write: (part) => pieces.push(part),
    get text() {
      return pieces.join('');
    },
  };
}
