/**
 * Holds a process as it is. The signal alone is a request: threads that run on other processors
 * may answer for a moment longer.
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Resolves when no thread of it runs any more; elsewhere than on Linux, when it was told. */
export async function freezeProcess(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP');
  if (process.platform !== 'linux') return;
  while (!isFrozen(child)) await nextTurn();
}

function isFrozen({ pid, exitCode, signalCode }: ChildProcess): boolean {
  // What is dead does not run either.
  if (exitCode !== null || signalCode !== null) return true;
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).every((task) => {
      return /\) [TZX] /.test(readFileSync(`${tasks}/${task}/stat`, 'latin1'));
    });
  } catch {
    // A thread ended in between.
    return false;
  }
}
