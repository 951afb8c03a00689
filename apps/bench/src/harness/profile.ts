/**
 * CPU profiles of this process, in which everything runs that has no server of its own.
 * Owns the profiler; what is profiled is for whoever asks.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';

/** Does the work; with a folder, its profile is written to `bench-NAME.cpuprofile` there. */
export async function profiled<Result>(
  { folder, name }: { readonly folder: string | null; readonly name: string },
  work: () => Promise<Result>,
): Promise<Result> {
  if (folder === null) return work();
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    const result = await work();
    const { profile } = await session.post('Profiler.stop');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `bench-${name}.cpuprofile`), JSON.stringify(profile));
    return result;
  } finally {
    session.disconnect();
  }
}
