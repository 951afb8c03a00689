/**
 * What keeps a development cluster from running, in words for whoever started it. Owns the class
 * and the exit codes.
 */
export const FAILED = 1;
export const MISUSED = 2;

/** Its message is all that is shown. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';
  readonly exitCode: number;

  constructor(message: string, exitCode = FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}
