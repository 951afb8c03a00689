/**
 * The one error of the demo's own: something that its user can put right.
 * Errors of the library and of the model's endpoint pass through as they are.
 */

/** Shown as one line, without a stack. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}
