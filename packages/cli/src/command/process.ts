/**
 * What a command has of its process, and how it ends: what is printed, and the exit code. Owns the
 * codes; what a command does is its own file's.
 */
import type { Readable } from 'node:stream';
import { reportOf } from '../control/error.js';
import type { ErrorReport } from '../control/api.js';
import type { AgentFiles } from '../profile/profile.js';
import { shown } from './shown.js';

/** What the package that installs the command has beside it; each is loaded when it is used. */
export interface CommandExtras {
  /** Serves an agent over MCP on standard input and output. */
  readonly serveMcp?:
    | ((options: {
        readonly files: AgentFiles;
        readonly passphrase?: string | undefined;
      }) => Promise<{ readonly ended: Promise<void>; close(): Promise<void> }>)
    | undefined;
  /** The skill for coding agents. */
  readonly skillFile?: URL | undefined;
}

/** One of several answers. */
export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** What tells a process to end. */
export type StopSignal = 'SIGINT' | 'SIGTERM';
export type StopListener = (signal: StopSignal) => void;

/** What a command needs of its process. */
export interface CommandProcess {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Version of the package whose command this is. */
  readonly version: string;
  readonly stdin: Readable;
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
  readonly exit: (code: number) => void;
  /** Asks for a passphrase; null where nobody can answer. */
  readonly ask: ((question: string) => Promise<string>) | null;
  /** Lets a person choose, or say yes; null where nobody can answer. */
  readonly choose?:
    ((question: string, options: readonly Choice[]) => Promise<string | null>) | null | undefined;
  readonly confirm?: ((question: string) => Promise<boolean>) | null | undefined;
  /** Tells a person how far something is; null where nobody looks. */
  readonly note?: ((text: string) => void) | null | undefined;
  /**
   * Calls back once when the process is told to end, if no later listener is there; returns what
   * forgets that. Until somebody listens, a signal ends the process at once.
   */
  readonly onStop: (listener: StopListener) => () => void;
  readonly extras?: CommandExtras | undefined;
}

/** What the codes of the process mean. */
export const EXIT = {
  failed: 1,
  misused: 2,
  noPeer: 3,
  refused: 4,
  late: 5,
  notTrusted: 6,
  noHub: 7,
  again: 75,
  interrupted: 130,
  terminated: 143,
} as const;

const CODES: Readonly<Record<string, number>> = {
  BAD_OPTION: EXIT.misused,
  BAD_REQUEST: EXIT.misused,
  BAD_CONTRACT: EXIT.misused,
  BAD_PEER: EXIT.misused,
  BAD_PAYLOAD: EXIT.misused,
  BAD_INVITE: EXIT.misused,
  TOO_LARGE: EXIT.misused,
  PEER_NOT_FOUND: EXIT.noPeer,
  UNKNOWN_PEER: EXIT.noPeer,
  UNKNOWN_RECIPIENT: EXIT.noPeer,
  REFUSED: EXIT.refused,
  FAILED: EXIT.refused,
  NO_REPLY: EXIT.refused,
  UNSUPPORTED: EXIT.refused,
  TIMEOUT: EXIT.late,
  DEADLINE: EXIT.late,
  EXPIRED_UNSENT: EXIT.late,
  INVITE_EXPIRED: EXIT.late,
  IDENTITY_CHANGED: EXIT.notTrusted,
  UNTRUSTED_PEER: EXIT.notTrusted,
  BAD_FINGERPRINT: EXIT.notTrusted,
  REVOKED: EXIT.notTrusted,
  NAME_CONFLICT: EXIT.notTrusted,
  PEER_BLOCKED: EXIT.notTrusted,
  HUB_KEY_CHANGED: EXIT.noHub,
  HUB_UNPROVEN: EXIT.noHub,
  HUB_AWAY: EXIT.noHub,
  CONNECTION_LOST: EXIT.noHub,
  NO_HUB: EXIT.noHub,
  HUB_NOT_RUNNING: EXIT.noHub,
  BAD_PARAMS: EXIT.misused,
  NO_SUCH_AGENT: EXIT.noPeer,
  QUEUED: EXIT.noHub,
  NOT_KEPT: EXIT.noHub,
};

/** The exit code of an error. */
function exitCodeOf({ code, retryable }: ErrorReport): number {
  return CODES[code] ?? (retryable ? EXIT.again : EXIT.failed);
}

/** A signal ended the command before it was done: whoever sent it knows. */
export class Interrupted extends Error {
  /** As a shell tells it. */
  readonly exitCode: number;

  constructor(signal: StopSignal) {
    super(signal);
    this.name = 'Interrupted';
    this.exitCode = signal === 'SIGINT' ? EXIT.interrupted : EXIT.terminated;
  }
}

/**
 * Works with what has to be closed in order. `work` ends soon after its signal is aborted, and has
 * closed by then. Rejects with Interrupted.
 */
export async function closing<T>(
  { onStop }: CommandProcess,
  work: (stopped: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const forget = onStop((signal) => controller.abort(new Interrupted(signal)));
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    forget();
  }
}

/** One line on standard error, and the exit code. */
export function fail(command: CommandProcess, error: unknown, asJson: boolean): void {
  const report = reportOf(error);
  if (asJson) command.complain(`${JSON.stringify(report)}\n`);
  else command.complain(`agentmesh: ${lineOf(report)}\n`);
  command.exit(exitCodeOf(report));
}

function lineOf({ code, message, remedy }: ErrorReport): string {
  const text = message.replaceAll(/\s+/g, ' ');
  return shown(`${text}${remedy === null ? '' : `; ${remedy}`} [${code}]`);
}
