/**
 * A contract as JSON Schema: what tools of language models, flags of commands and documents are
 * made of. Owns the shape of the description; the schemas describe themselves (Standard JSON
 * Schema).
 */
import type { Contract } from './contract.js';
import type { Operation } from './operations.js';
import type { DescribedSchema, Schema } from './standard-schema.js';

/** JSON Schema, draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** One operation; a schema that cannot describe itself is `{}`, which accepts anything. */
export interface OperationDescription {
  readonly kind: Operation['kind'];
  /** What a caller may pass, before defaults. */
  readonly input: JsonSchema;
  /** What comes back: of a request its output, of a stream its chunks and its result. */
  readonly output?: JsonSchema;
  readonly chunk?: JsonSchema;
  readonly result?: JsonSchema;
  readonly errors?: Readonly<Record<string, JsonSchema>>;
}

/** A contract as plain JSON. */
export interface ContractDescription {
  readonly id: string;
  readonly operations: Readonly<Record<string, OperationDescription>>;
}

/** Describes a contract for whoever has no TypeScript. */
export function describe(contract: Contract): ContractDescription {
  const { id, operations } = contract;
  const entries = Object.entries(operations).map(([name, op]) => [name, describeOperation(op)]);
  return { id, operations: Object.fromEntries(entries) as ContractDescription['operations'] };
}

function describeOperation(operation: Operation): OperationDescription {
  const { kind } = operation;
  const input = jsonSchemaOf(operation.input, 'input');
  if (kind === 'event') return { kind, input };
  const declared = Object.entries(operation.errors);
  const errors = Object.fromEntries(
    declared.map(([code, schema]) => [code, jsonSchemaOf(schema, 'output')]),
  );
  if (kind === 'request') {
    return { kind, input, output: jsonSchemaOf(operation.output, 'output'), errors };
  }
  const chunk = jsonSchemaOf(operation.chunk, 'output');
  return { kind, input, chunk, result: jsonSchemaOf(operation.result, 'output'), errors };
}

function jsonSchemaOf(schema: Schema, side: 'input' | 'output'): JsonSchema {
  if (!isDescribed(schema)) return {};
  try {
    return schema['~standard'].jsonSchema[side]({ target: 'draft-2020-12' });
  } catch {
    // Libraries throw for what JSON Schema cannot say, such as a transformation.
    return {};
  }
}

function isDescribed(schema: object): schema is DescribedSchema {
  const standard = (schema as Schema)['~standard'];
  return 'jsonSchema' in standard && typeof standard.jsonSchema === 'object';
}
