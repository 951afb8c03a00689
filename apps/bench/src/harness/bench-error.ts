/**
 * Why a bench cannot give a figure. Owns the codes: work that was not really done is never timed,
 * and a peer that is not there is said so.
 */

export type BenchErrorCode =
  'WRONG_RESULT' | 'NOT_DURABLE' | 'BAD_OPTION' | 'BAD_FILE' | 'DID_NOT_START' | 'PEER_FAILED';

/** Branch on `code`. */
export class BenchError extends Error {
  readonly code: BenchErrorCode;

  constructor(code: BenchErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.name = 'BenchError';
    this.code = code;
  }
}

/** Throws WRONG_RESULT unless the condition holds. */
export function confirm(condition: boolean, what: string): asserts condition {
  if (!condition) throw new BenchError('WRONG_RESULT', what);
}
