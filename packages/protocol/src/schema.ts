/**
 * Schemas of JSON values, strict and in both directions: a schema checks a value and converts it,
 * from the wire (`decode`) or to it (`encode`), and gives the TypeScript type. Owns the forms that
 * frames and bundles are made of; what they contain is in `fields`, `client-frames`, `hub-frames`.
 *
 * The first fault ends the work: it says where, never what. Why not a library:
 * docs/decisions/0040-own-frame-schemas.md.
 */
import type { ErrorCode } from './errors.js';

/** What is wrong with a value. */
export interface Fault {
  readonly kind: 'value' | 'unknown field' | 'unknown type';
  readonly code: ErrorCode;
  /** Outermost first. */
  readonly path: readonly (string | number)[];
}

/** A converted value, or the first fault of it. */
export type Result<T> =
  { readonly success: true; readonly data: T } | { readonly success: false; readonly fault: Fault };

/** Where a schema leaves its fault; each level adds its step to the path. */
class Attempt {
  fault: Omit<Fault, 'path'> | null = null;
  readonly path: (string | number)[] = [];

  /** Always undefined, so that a step can return it. */
  fail(code: ErrorCode = 'BAD_FRAME', kind: Fault['kind'] = 'value'): undefined {
    this.fault ??= { kind, code };
    return undefined;
  }

  get failed(): boolean {
    return this.fault !== null;
  }
}

/** Converts a value in one direction; what it returns counts only if the attempt has no fault. */
type Convert = (value: unknown, attempt: Attempt) => unknown;

/** The values of a literal, the fields of an object, the members of a union. */
interface Shape {
  readonly values?: readonly unknown[];
  readonly fields?: Fields;
  readonly members?: readonly Schema<unknown>[];
}

declare const outputType: unique symbol;

/** A check, a conversion and a type. */
export class Schema<T> {
  declare readonly [outputType]: T;
  readonly decode: Convert;
  readonly encode: Convert;
  /** What a union tells its members apart by. */
  readonly shape: Shape;

  constructor(decode: Convert, encode: Convert = decode, shape: Shape = {}) {
    this.decode = decode;
    this.encode = encode;
    this.shape = shape;
  }

  /** The field may be missing. */
  optional(): OptionalSchema<T> {
    const unless =
      (convert: Convert): Convert =>
      (value, attempt) =>
        value === undefined ? undefined : convert(value, attempt);
    return new OptionalSchema(unless(this.decode), unless(this.encode));
  }

  nullable(): Schema<T | null> {
    const unless =
      (convert: Convert): Convert =>
      (value, attempt) =>
        value === null ? null : convert(value, attempt);
    return new Schema(unless(this.decode), unless(this.encode));
  }

  /** A rule over the whole value, which is right in all its parts; `path` is where it is broken. */
  refine(holds: (value: T) => boolean, { path }: { readonly path: readonly string[] }): Schema<T> {
    const judge = (value: unknown, attempt: Attempt): void => {
      if (attempt.failed || holds(value as T)) return;
      attempt.path.push(...path);
      attempt.fail();
    };
    return new Schema(
      (value, attempt) => {
        const decoded = this.decode(value, attempt);
        judge(decoded, attempt);
        return decoded;
      },
      (value, attempt) => {
        const encoded = this.encode(value, attempt);
        judge(value, attempt);
        return encoded;
      },
      this.shape,
    );
  }

  /** Checks and converts a value from the wire; never throws. */
  safeParse(value: unknown): Result<T> {
    return resultOf<T>(this.decode, value);
  }
}

/** A field that may be missing. */
export class OptionalSchema<T> extends Schema<T | undefined> {
  declare readonly isOptional: true;
}

/** The TypeScript type of a schema. */
export type output<S> = S extends Schema<infer T> ? T : never;

type Fields = Readonly<Record<string, Schema<unknown>>>;
type RequiredNames<F extends Fields> = {
  [K in keyof F]: F[K] extends OptionalSchema<unknown> ? never : K;
}[keyof F];
type ObjectOf<F extends Fields> = {
  [K in RequiredNames<F>]: output<F[K]>;
} & { [K in Exclude<keyof F, RequiredNames<F>>]?: output<F[K]> } extends infer Whole
  ? { [K in keyof Whole]: Whole[K] }
  : never;

/** Converts a value for the wire; never throws. */
export function safeEncode<T>(schema: Schema<T>, value: unknown): Result<unknown> {
  return resultOf(schema.encode, value);
}

function resultOf<T>(convert: Convert, value: unknown): Result<T> {
  const attempt = new Attempt();
  const data = convert(value, attempt) as T;
  if (attempt.fault === null) return { success: true, data };
  return { success: false, fault: { ...attempt.fault, path: attempt.path.toReversed() } };
}

/** What passes a check, unchanged; everything passes without one. */
export function custom<T>(isGood: (value: unknown) => boolean = () => true): Schema<T> {
  return new Schema((value, attempt) => (isGood(value) ? value : attempt.fail()));
}

/** One of these values. */
export function literal<const T extends string | number>(values: T | readonly T[]): Schema<T> {
  const allowed: readonly unknown[] = Array.isArray(values) ? values : [values];
  const { decode } = custom((value) => allowed.includes(value));
  return new Schema(decode, decode, { values: allowed });
}

/** True or false. */
export function boolean(): Schema<boolean> {
  return custom((value) => typeof value === 'boolean');
}

/** A safe integer from `min` to `max`. */
export function int(min: number, max: number): Schema<number> {
  return custom((value) => Number.isSafeInteger(value) && isBetween(Number(value), min, max));
}

/** A text that has the form; the length is judged first. */
export function string({ form, max = Infinity }: StringRules): Schema<string> {
  return custom((value) => typeof value === 'string' && value.length <= max && form.test(value));
}

interface StringRules {
  readonly form: RegExp;
  readonly max?: number;
}

function isBetween(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

/** Values of one kind, from `min` to `max` of them; their number is judged first. */
export function array<T>(
  item: Schema<T>,
  { min = 0, max }: { readonly min?: number; readonly max: number },
): Schema<T[]> {
  const each =
    (convert: Convert): Convert =>
    (values, attempt) => {
      if (!Array.isArray(values) || !isBetween(values.length, min, max)) return attempt.fail();
      const list: unknown[] = [];
      for (const [index, value] of values.entries()) {
        list.push(convert(value, attempt));
        if (!attempt.failed) continue;
        attempt.path.push(index);
        return undefined;
      }
      return list;
    };
  return new Schema(each(item.decode), each(item.encode));
}

/**
 * Text on the wire, another form in the program. Each direction returns the converted value, or a
 * {@link Refusal} with the code of what is wrong.
 */
export function codec<T>(
  decode: (text: string) => T | Refusal,
  encode: (value: unknown) => string | Refusal,
): Schema<T> {
  const judged = (result: unknown, attempt: Attempt): unknown =>
    result instanceof Refusal ? attempt.fail(result.code) : result;
  return new Schema(
    (text, attempt) => (typeof text === 'string' ? judged(decode(text), attempt) : attempt.fail()),
    (value, attempt) => judged(encode(value), attempt),
  );
}

/** Why a codec does not convert. */
export class Refusal {
  readonly code: ErrorCode;

  constructor(code: ErrorCode) {
    this.code = code;
  }
}

/** An object with exactly these fields, converted in this order. Any other field is a fault. */
export function strictObject<F extends Fields>(fields: F): Schema<ObjectOf<F>> {
  const names = Object.keys(fields);
  const schemas = Object.values(fields);
  const decoders = schemas.map(({ decode }) => decode);
  const encoders = schemas.map(({ encode }) => encode);
  return new Schema(
    (value, attempt) => converted(value, names, decoders, attempt),
    (value, attempt) => converted(value, names, encoders, attempt),
    { fields },
  );
}

function converted(
  value: unknown,
  names: readonly string[],
  converts: readonly Convert[],
  attempt: Attempt,
): unknown {
  if (!isObject(value)) return attempt.fail();
  const result: Record<string, unknown> = {};
  let count = 0;
  for (const [index, name] of names.entries()) {
    const isPresent = Object.hasOwn(value, name);
    const field = converts[index]?.(isPresent ? value[name] : undefined, attempt);
    if (attempt.failed) {
      attempt.path.push(name);
      return undefined;
    }
    if (!isPresent) continue;
    count += 1;
    result[name] = field;
  }
  return count === Object.keys(value).length ? result : attempt.fail('BAD_FRAME', 'unknown field');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One of several objects or unions of them, told apart by the literal value of one field. */
export function discriminatedUnion<const S extends readonly Schema<unknown>[]>(
  key: string,
  members: S,
): Schema<output<S[number]>> {
  const byTag = new Map(
    members.flatMap((member) => tagsOf(member, key).map((tag) => [tag, member] as const)),
  );
  const memberOf = (value: unknown, attempt: Attempt): Schema<unknown> | undefined => {
    if (!isObject(value)) return attempt.fail();
    const member = byTag.get(value[key]);
    return member ?? attempt.fail('BAD_FRAME', 'unknown type');
  };
  return new Schema(
    (value, attempt) => memberOf(value, attempt)?.decode(value, attempt),
    (value, attempt) => memberOf(value, attempt)?.encode(value, attempt),
    { members },
  );
}

/** The values of a field by which an object, or each member of a union, is known. */
function tagsOf({ shape }: Schema<unknown>, key: string): readonly unknown[] {
  const ofMembers = shape.members?.flatMap((member) => tagsOf(member, key)) ?? [];
  return [...ofMembers, ...(shape.fields?.[key]?.shape.values ?? [])];
}
