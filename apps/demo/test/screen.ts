import type { Screen } from '../src/show.js';

/** A screen that keeps what was written. */
export function recorder(settings: Omit<Screen, 'write'> = {}): Screen & { readonly text: string } {
  let text = '';
  return {
    ...settings,
    write: (part) => (text += part),
    get text() {
      return text;
    },
  };
}
