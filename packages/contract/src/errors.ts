/**
 * The errors of contracts: a contract that is written wrongly, a value that does not fit, a schema
 * that fails itself. Owns codes and texts.
 */

const ERRORS = {
  BAD_CONTRACT: 'The contract cannot be used as it is written',
  BAD_PAYLOAD: 'The input does not fit the contract',
  INVALID_OUTPUT: 'The answer does not fit the contract',
  UNKNOWN_OPERATION: 'No such operation is served',
  SCHEMA_FAILED: 'The schema threw instead of giving a result: mend the schema',
  SCHEMA_TIMEOUT: 'The schema gave no result in time: mend the schema',
} as const;

/** Stable codes of {@link ContractError}. No repetition can help with any of them. */
export type ContractErrorCode = keyof typeof ERRORS;

/** One thing that is wrong with a value. */
export interface Issue {
  /** Where, such as `url` or `items[3].name`; empty for the value as a whole. */
  readonly path: string;
  readonly message: string;
}

/** A contract, a value or a schema that does not do. */
export class ContractError extends Error {
  override readonly name = 'ContractError';
  readonly code: ContractErrorCode;
  readonly retryable = false;
  /** Where in the value; empty for the value as a whole, and where it is not about a value. */
  readonly path: string;
  /** All that is wrong, in the schema's order; at least one for BAD_PAYLOAD and INVALID_OUTPUT. */
  readonly issues: readonly Issue[];
  /** What stands in brackets behind the text. */
  readonly detail: string;

  constructor(
    code: ContractErrorCode,
    about: {
      readonly detail?: string;
      readonly issues?: readonly Issue[];
      readonly cause?: unknown;
    },
  ) {
    const issues = about.issues ?? [];
    const [first] = issues;
    const detail = about.detail ?? (first === undefined ? '' : textOf(first));
    super(detail === '' ? ERRORS[code] : `${ERRORS[code]} (${detail})`, { cause: about.cause });
    this.code = code;
    this.path = first?.path ?? '';
    this.issues = issues;
    this.detail = detail;
  }
}

function textOf({ path, message }: Issue): string {
  return path === '' ? message : `${path}: ${message}`;
}
