/**
 * What this package asks of a schema: the interfaces of Standard Schema 1.1 and Standard JSON
 * Schema, of which any schema library's own schemas are instances. Owns types only; the
 * specification asks for nothing else, so nothing of it is installed.
 */

/** A schema of any library that implements Standard Schema, such as zod, valibot or arktype. */
export interface Schema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What a schema makes of a value: the value it stands for, or what is wrong with it. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong with a value, as a schema says it. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** A schema that can say what it accepts as JSON Schema. */
export interface DescribedSchema {
  readonly '~standard': {
    readonly jsonSchema: {
      readonly input: (options: { readonly target: string }) => Record<string, unknown>;
      readonly output: (options: { readonly target: string }) => Record<string, unknown>;
    };
  };
}

/** What a schema accepts, before its defaults and conversions. */
export type InputOf<S extends Schema> = NonNullable<S['~standard']['types']>['input'];

/** What a schema gives, after its defaults and conversions. */
export type OutputOf<S extends Schema> = NonNullable<S['~standard']['types']>['output'];
