/**
 * The types of both sides of a contract: what a caller calls and what a server implements. Owns
 * these types only; `Context`, `Options` and `Sent` are filled in by who carries the calls.
 */
import type { Contract, Operations } from './contract.js';
import type {
  ErrorSchemas,
  EventOperation,
  Operation,
  RequestOperation,
  StreamOperation,
} from './operations.js';
import type { InputOf, OutputOf, Schema } from './standard-schema.js';

/** Makes the errors that an operation declares, with what they carry; thrown by its handler. */
export interface ErrorMaker<Errors extends ErrorSchemas> {
  error<Code extends keyof Errors & string>(code: Code, data: InputOf<Errors[Code]>): Error;
}

/** A stream as its consumer sees it: chunks, and the result behind the last of them. */
export interface ChunkStream<Chunk, Result> extends AsyncIterable<Chunk> {
  /** Fulfilled once the request is stored: after a restart the stream is found by it. */
  readonly id: Promise<string>;
  /** Number of the chunk that comes next: after a restart some may come a second time. */
  readonly position: Promise<number>;
  /** Fulfilled when all of the stream is here; where nobody reads it, its chunks are dropped. */
  readonly result: Promise<Result>;
  /** Gives the stream up, as leaving the loop does. */
  cancel(reason?: string): Promise<void>;
}

/** What calling an operation that streams gives. */
export type StreamOf<Op extends StreamOperation> =
  Op extends StreamOperation<infer _I, infer C, infer R>
    ? ChunkStream<OutputOf<C>, OutputOf<R>>
    : never;

/** A call without `undefined` behind it where the input may be left out. */
type Arguments<S extends Schema, Options> =
  undefined extends InputOf<S>
    ? [input?: InputOf<S>, options?: Options]
    : [input: InputOf<S>, options?: Options];

type Handler<Op extends Operation, Context> =
  Op extends RequestOperation<infer I, infer O, infer E>
    ? (input: OutputOf<I>, context: Context & ErrorMaker<E>) => InputOf<O> | Promise<InputOf<O>>
    : Op extends StreamOperation<infer I, infer C, infer R, infer E>
      ? (
          input: OutputOf<I>,
          context: Context & ErrorMaker<E>,
        ) => AsyncGenerator<InputOf<C>, InputOf<R>, void> | AsyncGenerator<InputOf<C>, InputOf<R>>
      : Op extends EventOperation<infer I>
        ? (input: OutputOf<I>, context: Context) => void | Promise<void>
        : never;

type Caller<Op extends Operation, Options, Sent> =
  Op extends RequestOperation<infer I, infer O>
    ? (...args: Arguments<I, Options>) => Promise<OutputOf<O>>
    : Op extends StreamOperation<infer I, infer C, infer R>
      ? (...args: Arguments<I, Options>) => ChunkStream<OutputOf<C>, OutputOf<R>>
      : Op extends EventOperation<infer I>
        ? (...args: Arguments<I, Options>) => Promise<Sent>
        : never;

/** What implements a contract: one handler for each operation. */
export type Handlers<C extends Contract, Context> =
  C extends Contract<infer Ops extends Operations>
    ? { readonly [Name in keyof Ops]: Handler<Ops[Name], Context> }
    : never;

/** What calls a contract: one function for each operation. */
export type Callers<C extends Contract, Options, Sent> =
  C extends Contract<infer Ops extends Operations>
    ? { readonly [Name in keyof Ops]: Caller<Ops[Name], Options, Sent> }
    : never;
