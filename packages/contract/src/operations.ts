/**
 * The three kinds of operations that agents can offer each other: a request has one answer, a
 * stream many chunks and a result, an event none. Owns these values and their types.
 */
import type { Schema } from './standard-schema.js';

/** Errors that an operation declares: a code, and the schema of what the error carries. */
export type ErrorSchemas = Readonly<Record<string, Schema>>;

/** An operation with one answer. */
export interface RequestOperation<
  Input extends Schema = Schema,
  Output extends Schema = Schema,
  Errors extends ErrorSchemas = ErrorSchemas,
> {
  readonly kind: 'request';
  readonly input: Input;
  readonly output: Output;
  readonly errors: Errors;
}

/** An operation with many chunks, and a result at the end. */
export interface StreamOperation<
  Input extends Schema = Schema,
  Chunk extends Schema = Schema,
  Result extends Schema = Schema,
  Errors extends ErrorSchemas = ErrorSchemas,
> {
  readonly kind: 'stream';
  readonly input: Input;
  readonly chunk: Chunk;
  readonly result: Result;
  readonly errors: Errors;
}

/** An operation without an answer. */
export interface EventOperation<Input extends Schema = Schema> {
  readonly kind: 'event';
  readonly input: Input;
}

/** Any of the three. */
export type Operation = RequestOperation | StreamOperation | EventOperation;

/** The schema of an operation that names none: anything goes. */
export type Anything = Schema<unknown, unknown>;

/** The schemas of errors that an operation without any declares. */
export type NoErrors = Readonly<Record<string, never>>;

const anything: Anything = {
  '~standard': {
    version: 1,
    vendor: 'agentmesh',
    validate: (value: unknown) => ({ value }),
  },
};

/** Declares an operation with one answer. What is left out is not checked. */
export function request<
  Input extends Schema = Anything,
  Output extends Schema = Anything,
  Errors extends ErrorSchemas = NoErrors,
>(schemas: {
  readonly input?: Input;
  readonly output?: Output;
  readonly errors?: Errors;
}): RequestOperation<Input, Output, Errors> {
  const { input, output, errors } = schemas;
  return {
    kind: 'request',
    input: input ?? (anything as Input),
    output: output ?? (anything as Output),
    errors: errors ?? ({} as Errors),
  };
}

/** Declares an operation with many chunks and a result. What is left out is not checked. */
export function stream<
  Input extends Schema = Anything,
  Chunk extends Schema = Anything,
  Result extends Schema = Anything,
  Errors extends ErrorSchemas = NoErrors,
>(schemas: {
  readonly input?: Input;
  readonly chunk?: Chunk;
  readonly result?: Result;
  readonly errors?: Errors;
}): StreamOperation<Input, Chunk, Result, Errors> {
  const { input, chunk, result, errors } = schemas;
  return {
    kind: 'stream',
    input: input ?? (anything as Input),
    chunk: chunk ?? (anything as Chunk),
    result: result ?? (anything as Result),
    errors: errors ?? ({} as Errors),
  };
}

/** Declares an operation without an answer. */
export function event<Input extends Schema = Anything>(schemas: {
  readonly input?: Input;
}): EventOperation<Input> {
  return { kind: 'event', input: schemas.input ?? (anything as Input) };
}
