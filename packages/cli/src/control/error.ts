/**
 * Errors of the command and of the control socket, and those of an agent as they come through it.
 * Owns the codes of this package; it stands alone, so that a client loads nothing that encrypts.
 */
import { AgentMeshError } from '@agentmesh/crypto/runtime';
import { inCommandWords, remedyFor } from './remedies.js';
import type { ErrorReport } from './api.js';

interface ErrorRule {
  readonly retryable: boolean;
  readonly message: string;
}

const CONTROL_ERRORS = {
  /** Write what the text says. */
  BAD_OPTION: { retryable: false, message: 'Option refused' },
  NO_AGENT: { retryable: false, message: 'There is no agent here yet' },
  HOLDER_LOST: {
    retryable: true,
    message: 'The program that holds this agent has ended in the middle: try again',
  },
  HOLDER_LEAVING: {
    retryable: true,
    message: 'The program that holds this agent is about to end: try again',
  },
  HOLDER_SILENT: {
    retryable: true,
    message:
      'The store of this agent is open in a program that does not answer here: call ' +
      'serveControl(agent) in it, or stop it',
  },
  HOLDER_VERSION: {
    retryable: false,
    message:
      'The program that holds this agent is of another version: restart it, or install the same ' +
      'version here',
  },
  HOLDER_TAKEN: {
    retryable: false,
    message: 'This agent is held by another program already: stop that one first',
  },
  SOCKET_UNSAFE: {
    retryable: false,
    message: 'The socket of this agent cannot be trusted: remove it, or give its folder mode 0700',
  },
  NOT_KEPT: {
    retryable: true,
    message:
      'The hub is not reached, and this needs it first (its peer is not known here yet, or this ' +
      'agent was killed): nothing was sent or kept',
  },
  HUB_AWAY: { retryable: true, message: 'The hub is not reached' },
  HUB_NOT_RUNNING: {
    retryable: true,
    message: 'No hub runs with this data folder: start it, or name another one with --data',
  },
  INBOX_TAKEN: {
    retryable: false,
    message:
      'The program that holds this agent handles its messages itself: read them there, or stop ' +
      'that program',
  },
  LISTENER_BUSY: {
    retryable: false,
    message: 'Another program listens for this agent already: stop it, so that mail wakes one only',
  },
  BAD_REQUEST: { retryable: false, message: 'Request refused: correct what the text names' },
  NO_SUCH_METHOD: {
    retryable: false,
    message: 'No such method: agentmesh rpc --openrpc lists them',
  },
  TOO_MANY_REQUESTS: {
    retryable: true,
    message: 'Too many requests of one connection at once: wait for answers',
  },
  BAD_SETTINGS: {
    retryable: false,
    message: 'The settings of this agent cannot be used: correct the file, or remove it',
  },
  BAD_CONTRACT: {
    retryable: false,
    message: 'The description of a contract cannot be used: write it with describe(contract)',
  },
  /** Report it. */
  INTERNAL: { retryable: false, message: 'Something unforeseen went wrong' },
} as const satisfies Readonly<Record<string, ErrorRule>>;

/** Stable codes that this package adds. */
export type ControlErrorCode = keyof typeof CONTROL_ERRORS;

/** An error of the command or its socket, or one of the agent, with its `code`. */
export class ControlError extends AgentMeshError {
  readonly code: string;
  /** What to do, such as a command to run; null where the message says it. */
  readonly remedy: string | null;

  constructor(report: ErrorReport, cause?: unknown) {
    super(report.message, { retryable: report.retryable, cause });
    this.code = report.code;
    this.remedy = report.remedy;
  }

  toJSON(): ErrorReport {
    const { code, retryable, message, remedy } = this;
    return { code, retryable, message, remedy };
  }
}

/** An error of this package. */
export function controlError(
  code: ControlErrorCode,
  detail?: string,
  cause?: unknown,
): ControlError {
  const { message, retryable } = CONTROL_ERRORS[code];
  const text = detail === undefined ? message : textOf(code, message, detail);
  return new ControlError({ code, retryable, message: text, remedy: remedyFor(code) }, cause);
}

/** What is wrong with an option is a sentence by itself. */
function textOf(code: ControlErrorCode, message: string, detail: string): string {
  return code === 'BAD_OPTION' ? detail : `${message} (${detail})`;
}

/** Any error as it is told to another process: code and text, never a stack. */
export function reportOf(error: unknown): ErrorReport {
  if (error instanceof ControlError) return error.toJSON();
  if (typeof error === 'object' && error !== null && error instanceof Error) {
    const { code, retryable } = error as { code?: unknown; retryable?: unknown };
    if (typeof code === 'string') {
      const message = inCommandWords(error.message);
      return { code, retryable: retryable === true, message, remedy: remedyFor(code) };
    }
  }
  return controlError('INTERNAL', error instanceof Error ? error.message : String(error)).toJSON();
}
