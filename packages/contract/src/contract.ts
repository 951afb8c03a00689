/**
 * A contract: a name with a major version, and the operations that one agent offers to others. Owns
 * its making and what of it may be used; running an operation is the agent's.
 */
import { ContractError } from './errors.js';
import type { Operation } from './operations.js';
import type { Schema } from './standard-schema.js';

/** Operations by name. */
export type Operations = Readonly<Record<string, Operation>>;

/** What both sides share. A value: it can be exported, compared by `id` and described. */
export interface Contract<Ops extends Operations = Operations> {
  /** `research@1`: the name and the major version. */
  readonly id: string;
  readonly name: string;
  readonly major: number;
  readonly operations: Ops;
}

const ID = /^([a-z][a-z0-9.-]{0,63})@([1-9][0-9]{0,5})$/;
const OPERATION = /^[a-zA-Z][a-zA-Z0-9_]{0,63}$/;
/** They would make a peer with operations look like a promise, or shadow what every object has. */
const TAKEN: ReadonlySet<string> = new Set(['then', 'catch', 'finally', 'prototype', 'toJSON']);
const KINDS: readonly unknown[] = ['request', 'stream', 'event'];

/**
 * Makes a contract. `id` is its name and major version, such as `research@1`: a change that an old
 * caller would not survive is another major. Throws BAD_CONTRACT.
 */
export function defineContract<const Ops extends Operations>(
  id: `${string}@${number}`,
  operations: Ops,
): Contract<Ops> {
  const [, name, major] = ID.exec(id) ?? [];
  if (name === undefined || major === undefined) {
    throw bad(`${JSON.stringify(id)}: write a name and a major version, such as research@1`);
  }
  if (typeof operations !== 'object' || operations === null) throw bad('operations: an object');
  for (const [key, operation] of Object.entries(operations)) assertOperation(key, operation);
  return Object.freeze({
    id,
    name,
    major: Number(major),
    operations: Object.freeze({ ...operations }),
  });
}

function assertOperation(name: string, operation: unknown): void {
  const isTaken = TAKEN.has(name) || name in Object.prototype;
  if (!OPERATION.test(name) || isTaken) {
    throw bad(
      `operation ${JSON.stringify(name)}: 1 to 64 letters, digits or _, no name of objects`,
    );
  }
  if (typeof operation !== 'object' || operation === null || !KINDS.includes(kindOf(operation))) {
    throw bad(`operation ${name}: made by request(), stream() or event()`);
  }
  for (const [part, schema] of schemasOf(operation as Operation)) {
    if (!isSchema(schema)) throw bad(`operation ${name}, ${part}: not a Standard Schema`);
  }
}

function kindOf(operation: object): unknown {
  return 'kind' in operation ? operation.kind : undefined;
}

function schemasOf(operation: Operation): readonly (readonly [string, unknown])[] {
  const parts = Object.entries(operation).filter(([part]) => part !== 'kind' && part !== 'errors');
  const errors = 'errors' in operation ? Object.entries(operation.errors) : [];
  return [...parts, ...errors.map(([code, schema]) => [`error ${code}`, schema] as const)];
}

/** Whether a value is a Standard Schema: libraries make them as objects or as functions. */
export function isSchema(value: unknown): value is Schema {
  const isHolder = typeof value === 'object' || typeof value === 'function';
  if (!isHolder || value === null || !('~standard' in value)) return false;
  const standard: unknown = value['~standard'];
  if (typeof standard !== 'object' || standard === null || !('validate' in standard)) return false;
  return typeof standard.validate === 'function';
}

function bad(detail: string): ContractError {
  return new ContractError('BAD_CONTRACT', { detail });
}
