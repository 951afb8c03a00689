/**
 * Keeps one warning off stderr, where an operator looks for errors: that Node's SQLite is
 * experimental. Owns that choice, for commands only; every other warning is Node's to print.
 */

/** From now on the warning is not told; call it before anything opens a database. */
export function silenceSqliteWarning(target: NodeJS.Process = process): void {
  const emit = target.emit.bind(target) as (event: string, ...args: unknown[]) => boolean;
  target.emit = ((event: string, ...args: unknown[]) =>
    event === 'warning' && isOfSqlite(args[0])
      ? false
      : emit(event, ...args)) as typeof process.emit;
}

function isOfSqlite(warning: unknown): boolean {
  return (
    warning instanceof Error &&
    warning.name === 'ExperimentalWarning' &&
    warning.message.startsWith('SQLite ')
  );
}
