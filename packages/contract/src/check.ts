/**
 * Runs a schema on a value, whatever the schema does: one that throws, never ends or answers
 * nonsense is an error with a code. Owns the guard and the spelling of paths.
 */
import { ContractError } from './errors.js';
import type { Issue } from './errors.js';
import type { OutputOf, Schema, SchemaIssue } from './standard-schema.js';

/** How long a schema may take, and the timers to see to it. */
export interface Guard {
  /** Milliseconds; default 5,000. What runs without ever yielding cannot be stopped. */
  readonly limitMs?: number | undefined;
  /** Runs a task once after a delay; the returned function cancels it. */
  readonly schedule?: ((delayMs: number, task: () => void) => () => void) | undefined;
}

const LIMIT_MS = 5_000;
const ISSUES = 20;
/** Of a message and of a path, in UTF-8. */
const TEXT_BYTES = 200;

/**
 * The value that the schema gives. Rejects with a {@link ContractError}: the code given where the
 * value does not fit, SCHEMA_FAILED or SCHEMA_TIMEOUT where the schema itself does not work.
 */
export async function check<S extends Schema>(
  schema: S,
  value: unknown,
  misfit: 'BAD_PAYLOAD' | 'INVALID_OUTPUT',
  guard: Guard = {},
): Promise<OutputOf<S>> {
  const result = await validate(schema, value, guard);
  if (typeof result !== 'object' || result === null) {
    throw new ContractError('SCHEMA_FAILED', { detail: 'its result is no object' });
  }
  if (!('issues' in result) || result.issues === undefined) {
    return (result as { readonly value: OutputOf<S> }).value;
  }
  throw new ContractError(misfit, { issues: issuesOf(result.issues) });
}

async function validate(schema: Schema, value: unknown, guard: Guard): Promise<object | null> {
  const { limitMs = LIMIT_MS, schedule = scheduled } = guard;
  let outcome: unknown;
  try {
    outcome = schema['~standard'].validate(value);
    if (!isPromiseLike(outcome)) return outcome as object | null;
  } catch (cause) {
    throw new ContractError('SCHEMA_FAILED', { detail: messageOf(cause), cause });
  }
  const { promise: late, reject } = Promise.withResolvers<never>();
  const cancel = schedule(limitMs, () =>
    reject(new ContractError('SCHEMA_TIMEOUT', { detail: `after ${limitMs} ms` })),
  );
  const settled = Promise.resolve(outcome).catch((cause: unknown) => {
    throw new ContractError('SCHEMA_FAILED', { detail: messageOf(cause), cause });
  });
  try {
    return (await Promise.race([settled, late])) as object | null;
  } finally {
    cancel();
  }
}

/** What may be shown of a schema's issues: bounded in number and length. */
function issuesOf(issues: unknown): readonly Issue[] {
  const list = Array.isArray(issues) ? (issues as readonly unknown[]) : [];
  const readable = list.slice(0, ISSUES).map((issue) => issueOf(issue as Partial<SchemaIssue>));
  return readable.length > 0 ? readable : [{ path: '', message: 'does not fit' }];
}

function issueOf(issue: Partial<SchemaIssue> | null): Issue {
  const message = typeof issue?.message === 'string' ? issue.message : 'does not fit';
  const path = Array.isArray(issue?.path) ? issue.path : [];
  return { path: cut(pathOf(path)), message: cut(message) };
}

/** `items[3].name` */
function pathOf(path: readonly unknown[]): string {
  let text = '';
  for (const segment of path) {
    const isObject = typeof segment === 'object' && segment !== null && 'key' in segment;
    const key: unknown = isObject ? segment.key : segment;
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? String(key) : `.${String(key)}`;
  }
  return text;
}

function messageOf(error: unknown): string {
  return cut(error instanceof Error ? error.message : String(error));
}

/** Whole characters within the bound. */
function cut(text: string): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(TEXT_BYTES));
  return text.slice(0, read);
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

function scheduled(delayMs: number, task: () => void): () => void {
  const timer = setTimeout(task, delayMs);
  return () => clearTimeout(timer);
}
