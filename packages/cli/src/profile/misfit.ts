/**
 * Whether a value fits a JSON Schema. Owns what is said of a value that does not; the library that
 * reads schemas is loaded when there is one to read.
 */
import type { JsonSchema } from './contracts.js';

/** What is wrong with a value; null where it fits. */
export async function misfitOf(value: unknown, schema: JsonSchema): Promise<string | null> {
  const { z } = await import('zod');
  let shape: ReturnType<typeof z.fromJSONSchema>;
  try {
    shape = z.fromJSONSchema(schema);
  } catch {
    // A schema that says more than is understood here: the other side checks it.
    return null;
  }
  const read = shape.safeParse(value);
  if (read.success) return null;
  const [issue] = read.error.issues;
  const path = issue?.path.join('.') ?? '';
  return `${path === '' ? '' : `${path}: `}${issue?.message ?? 'does not fit'}`;
}
