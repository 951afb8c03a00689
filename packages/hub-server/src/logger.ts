/**
 * What the hub logs with: the part of pino's interface that it uses, so that tests and programs can
 * bring their own. Owns the shape only. No payload, key, token or name of an agent is ever logged.
 */

/** Structured log lines; `fields` first, as in pino. */
export interface HubLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Says nothing. */
export const silentLogger: HubLogger = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
