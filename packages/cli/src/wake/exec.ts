/**
 * One run of a person's program on mail: its input, its environment, and how it ended. Owns the
 * process and its bounds: a time, an amount of output, and that nothing of it keeps us waiting.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import type { Mail } from '../control/api.js';

/** How a program is run. */
export interface ExecOptions {
  /** As a shell reads it. */
  readonly command: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly limitMs: number;
  /** Told what the program writes to standard error. */
  readonly complain: (text: string) => void;
}

/** How it ended. `lost`: it was stopped, for the reason. */
export type ExecEnd =
  | { readonly kind: 'exit'; readonly code: number; readonly output: string }
  | { readonly kind: 'lost'; readonly reason: string };

/** Standard output that is taken; more than a message may have. */
const MOST_OUTPUT_BYTES = 256 * 1024;
/** From asking a program to end to ending it. */
const GRACE_MS = 3_000;
/** How long output may come after the program has ended: something that it began has it open. */
const AFTERMATH_MS = 500;

/** Runs it on one message or several; aborting the signal stops it. Never rejects. */
export async function runExec(
  mails: readonly Mail[],
  options: ExecOptions,
  signal: AbortSignal,
): Promise<ExecEnd> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-mail-'));
  try {
    const prompts = join(folder, 'prompt.txt');
    const text = mails.map(({ prompt }) => prompt).join('\n\n');
    writeFileSync(prompts, `${text}\n`, { mode: 0o600 });
    const env = { ...options.env, ...environmentOf(mails), AGENTMESH_PROMPT_FILE: prompts };
    return await ended(mails, { ...options, env }, signal);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function environmentOf(mails: readonly Mail[]): Record<string, string> {
  const each = (value: (mail: Mail) => string): string => [...new Set(mails.map(value))].join(' ');
  const isVerified = mails.every(({ trust }) => trust === 'verified');
  return {
    AGENTMESH_FROM: each(({ from }) => from),
    AGENTMESH_ID: each(({ id }) => id),
    AGENTMESH_OPERATION: each(({ asks }) => asks?.op ?? ''),
    AGENTMESH_TRUST: isVerified ? 'verified' : each(({ trust }) => trust),
  };
}

async function ended(
  mails: readonly Mail[],
  { command, env, cwd, limitMs, complain }: ExecOptions,
  signal: AbortSignal,
): Promise<ExecEnd> {
  const { child, forget } = begun(command, { cwd, env });
  const output = new Output(child, complain);
  const { promise, resolve } = Promise.withResolvers<ExecEnd>();
  let lost: string | null = null;
  let cancelKill = (): void => undefined;
  const stop = (reason: string): void => {
    if (lost !== null) return;
    lost = reason;
    signalGroup(child, 'SIGTERM');
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
    cancelKill = () => clearTimeout(timer);
  };
  output.onTooMuch = () => stop(`more than ${MOST_OUTPUT_BYTES} bytes of output`);
  const timer = setTimeout(() => stop(`no end within ${limitMs} ms`), limitMs);
  const onAbort = (): void => stop('not wanted any more');
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  child.once('error', (error) => resolve({ kind: 'lost', reason: error.message }));
  child.once('exit', (code, by) => {
    if (lost !== null) {
      // Whatever of it is left goes too.
      signalGroup(child, 'SIGKILL');
      return resolve({ kind: 'lost', reason: lost });
    }
    if (code === null) return resolve({ kind: 'lost', reason: `ended by ${by ?? 'a signal'}` });
    void output.end().then((text) => resolve({ kind: 'exit', code, output: text }));
  });
  // One that does not read its input is no failure.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(mails.map((mail) => `${JSON.stringify(mail)}\n`).join(''));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    cancelKill();
    signal.removeEventListener('abort', onAbort);
    output.close();
    forget();
  }
}

/** Begins a program; `forget` once it has ended. */
function begun(
  command: string,
  { cwd, env }: Pick<ExecOptions, 'cwd' | 'env'>,
): { readonly child: ChildProcess; readonly forget: () => void } {
  const options = { shell: true, cwd, env } as const;
  if (process.platform === 'win32') {
    return { child: spawn(command, { ...options, stdio: 'pipe' }), forget: () => undefined };
  }
  const watcher = spawn('/bin/sh', ['-c', WATCH], {
    env,
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // A group of its own, so that what it begins can be stopped with it.
  const child = spawn(`${WAIT}\n${command}`, {
    ...options,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  });
  const gate = child.stdio[3] as Writable | null;
  for (const end of [watcher, watcher.stdin, gate]) end?.on('error', () => undefined);
  watcher.stdin.write(`${child.pid}\n`);
  gate?.end('go\n');
  return { child, forget: () => void watcher.kill('SIGKILL') };
}

/**
 * Should we be killed, the program is stopped: nobody would take its answer, and the next listener
 * must not run another one beside it. It begins when whoever stops it knows of it.
 */
const WATCH = 'read -r group; read -r _ || kill -KILL "-$group"';
const WAIT = 'read -r _ <&3 && exec 3<&- || exit 75';

/** What a program writes. */
class Output {
  onTooMuch: () => void = () => undefined;
  readonly #child: ChildProcess;
  readonly #chunks: Buffer[] = [];
  readonly #closed: Promise<void>;
  #bytes = 0;

  constructor(child: ChildProcess, complain: (text: string) => void) {
    this.#child = child;
    const { stdout, stderr } = child;
    this.#closed = new Promise((resolve) => void stdout?.once('close', resolve));
    stdout?.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes > MOST_OUTPUT_BYTES) this.onTooMuch();
      else this.#chunks.push(chunk);
    });
    stderr?.on('data', (chunk: Buffer) => complain(chunk.toString('utf8')));
    for (const stream of [stdout, stderr]) stream?.on('error', () => undefined);
  }

  /** All that it wrote; not waiting long for programs that it has left behind. */
  async end(): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, AFTERMATH_MS);
    await Promise.race([this.#closed, promise]);
    clearTimeout(timer);
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  close(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  const { pid } = child;
  if (pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-pid, signal);
  } catch {
    // All of it has ended.
  }
}
