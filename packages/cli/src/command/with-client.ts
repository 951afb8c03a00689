/**
 * What every command of an agent does around its own work: finds the agent, opens the way to it,
 * prints, and closes. Owns these steps and the passphrase.
 */
import { openControl } from '../holder/open-control.js';
import type { Control } from '../holder/open-control.js';
import { filesOf } from '../profile/profile.js';
import type { AgentFiles } from '../profile/profile.js';
import { closing } from './process.js';
import type { CommandProcess } from './process.js';

/** Options that every command of an agent has. */
export interface CommonOptions {
  readonly keys?: string | undefined;
  readonly profile?: string | undefined;
  readonly json?: boolean | undefined;
}

/** Name of the variable that may hold the passphrase. */
export const PASSPHRASE_VARIABLE = 'AGENTMESH_PASSPHRASE';

/** The files of the agent that the options name. */
export function filesFor(options: CommonOptions, { env, cwd }: CommandProcess): AgentFiles {
  return filesOf(options, { env, cwd });
}

/**
 * Opens the way to the agent, works, and closes it, whether a signal comes or not. `client` is what
 * the holder is told of who asks.
 */
export async function withClient<T>(
  options: CommonOptions,
  command: CommandProcess,
  work: (control: Control) => Promise<T>,
  client?: string,
): Promise<T> {
  const files = filesFor(options, command);
  return closing(command, async (signal) => {
    const control = await withPassphrase(files.keys, command, (passphrase) =>
      openControl(files, { passphrase, signal, client }),
    );
    const forget = noteAbsence(control, command);
    try {
      return await Promise.race([work(control), endOf(signal)]);
    } finally {
      forget();
      await control.close();
    }
  });
}

/** Rejects when the signal comes. */
function endOf(signal: AbortSignal): Promise<never> {
  const ended = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => ended.reject(signal.reason), { once: true });
  if (signal.aborted) ended.reject(signal.reason);
  return ended.promise;
}

/** From then on a person may wonder what a command waits for. */
const NOTE_MS = 2_000;

/** Tells a person who waits that the hub is away; the result stops that. */
function noteAbsence(control: Control, { note = null }: CommandProcess): () => void {
  if (note === null) return () => undefined;
  const look = async (): Promise<void> => {
    const hubs = await control.hubsAway();
    if (hubs !== null) note(`waiting for the hub at ${hubs}\n`);
  };
  const timer = setTimeout(() => void look().catch(() => undefined), NOTE_MS);
  return () => clearTimeout(timer);
}

/** Works with the passphrase of the environment, or with one that is typed where one is wanted. */
export async function withPassphrase<T>(
  keys: string,
  { env, ask }: CommandProcess,
  work: (passphrase: string | undefined) => Promise<T>,
): Promise<T> {
  const given = env[PASSPHRASE_VARIABLE];
  const passphrase = given === '' ? undefined : given;
  try {
    return await work(passphrase);
  } catch (error) {
    const isWanted = (error as { code?: unknown }).code === 'KEY_FILE_PASSPHRASE_REQUIRED';
    if (!isWanted || passphrase !== undefined || ask === null) throw error;
    const typed = await ask(`Passphrase of ${keys}: `);
    return work(typed === '' ? undefined : typed);
  }
}

/** Prints a result: as one line of JSON, or as a person reads it. */
export function printResult(
  { print }: CommandProcess,
  { json }: CommonOptions,
  value: unknown,
  text: string,
): void {
  print(json === true ? `${JSON.stringify(value)}\n` : text);
}
