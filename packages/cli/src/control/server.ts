/**
 * The socket of an agent, beside its store. Owns its making and its end; a connection is
 * `session`'s.
 */
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Agent } from '@agentmesh/agent';
import type { Clock } from '../machine.js';
import { version as ownVersion } from '../version.js';
import { CONTROL_PROTOCOL } from './api.js';
import { controlError } from './error.js';
import { Hold } from './hold.js';
import { LeaseBook, leasePathOf } from './lease-book.js';
import { callMethods } from './methods/calls.js';
import { contactMethods } from './methods/contacts.js';
import { identityMethods } from './methods/identity.js';
import { inboxMethods } from './methods/inbox.js';
import { letterMethods } from './methods/letters.js';
import { sendingMethods } from './methods/sending.js';
import type { ControlServer, ServeControlOptions } from './serve-control.js';
import { Session } from './session.js';
import { closeSocketToOthers, prepareSocketFolder, socketPathOf } from './socket-path.js';
import { openWire } from './wire.js';

/** Longer than anything takes that is no waiting. */
const RETIRE_MS = 5_000;

/** Serves an agent. `clock`: the machine's. */
export async function serve(
  agent: Agent,
  options: ServeControlOptions,
  clock: Clock,
): Promise<ControlServer> {
  const path = options.path ?? pathBeside(agent);
  const { hubs = [], handOver = null } = options;
  const { storePath } = agent;
  const leases = new LeaseBook(storePath === null ? null : leasePathOf(storePath), clock);
  const hold = new Hold({ agent, hubs, sinceMs: clock(), version: ownVersion, leases, handOver });
  const works = {
    ...identityMethods(hold),
    ...sendingMethods(hold),
    ...callMethods(hold),
    ...inboxMethods(hold),
    ...contactMethods(hold),
    ...letterMethods(hold),
  };
  const greeting = () => {
    const { pid } = process;
    return { protocol: CONTROL_PROTOCOL, version: ownVersion, pid, name: agent.id };
  };
  const sessions = new Map<Socket, Session>();
  let isLeaving = false;
  const server = createServer((socket) => {
    const wire = openWire(socket, {
      line: (text) => void session.receive(text),
      closed() {
        sessions.delete(socket);
        session.end();
      },
    });
    const session = new Session({ works, greeting, wire, isLeaving: () => isLeaving });
    sessions.set(socket, session);
  });
  prepareSocketFolder(path);
  await listen(server, path);
  // The program that holds the agent decides how long it runs.
  server.unref();
  let closed: Promise<void> | null = null;
  const close = async (isPatient: boolean): Promise<void> => {
    isLeaving = true;
    const all = [...sessions.values()];
    for (const session of all) session.leave();
    const idle = Promise.all(all.map((session) => session.idle()));
    await (isPatient ? idle : atMost(RETIRE_MS, idle));
    const gone = new Promise<void>((resolve) => void server.close(() => resolve()));
    for (const session of sessions.values()) session.sayGoodbye();
    await atMost(RETIRE_MS, gone);
    for (const socket of sessions.keys()) socket.destroy();
  };
  return {
    path,
    close({ patient = false } = {}) {
      closed ??= close(patient);
      return closed;
    },
  };
}

function pathBeside({ storePath }: Agent): string {
  if (storePath !== null) return socketPathOf(storePath);
  throw controlError('BAD_OPTION', 'path: this agent has no file beside which a socket could be');
}

/** The agent has its store, so nobody else serves it: what lies there is left over. */
async function listen(server: Server, path: string): Promise<void> {
  if (process.platform !== 'win32') rmSync(path, { force: true });
  const umask = process.platform === 'win32' ? null : process.umask(0o177);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', (error) => reject(controlError('HOLDER_TAKEN', path, error)));
  try {
    server.listen({ path, exclusive: true }, resolve);
  } finally {
    if (umask !== null) process.umask(umask);
  }
  await promise;
  closeSocketToOthers(path);
}

async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
