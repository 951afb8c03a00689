/**
 * The operator's way into a running hub: a local socket beside its data, JSON-RPC 2.0, one object a
 * line. Owns the socket file, who may reach it (the hub's own user), and the bounds of what comes
 * in; what the methods do is `hub-control`'s. Nothing of this is on the hub's port.
 */
import { AgentMeshError } from '@agentmesh/protocol';
import { createJSONRPCErrorResponse, JSONRPCServer } from 'json-rpc-2.0';
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { LineSplitter } from '../net/line-splitter.js';
import { lineOf, ServerError, textOf } from '../server-error.js';
import type { ControlMethod } from './hub-control.js';

const FILE = 'hub.sock';
/** In bytes: 103 on macOS and 107 on Linux, and the folder that it is made in has a longer one. */
const LONGEST_PATH = 98;
const LONGEST_LINE = 1024 * 1024;
const MOST_CONNECTIONS = 32;
/** Requests of one connection that are answered at once; more wait in the socket. */
const MOST_AT_ONCE = 16;
/** The code of JSON-RPC for every error of ours; which one it is stands in its data. */
const OUR_ERROR = -32_000;

/** Where the socket of a hub with this data folder is. */
export function controlPathOf(folder: string): string {
  if (process.platform !== 'win32') return join(folder, FILE);
  const name = createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 32);
  return `\\\\.\\pipe\\agentmesh-hub-${name}`;
}

/** One per hub; open from `open` to `close`. */
export class ControlSocket {
  readonly #server: Server;
  /** Where it is. */
  readonly path: string;
  readonly #rpc: JSONRPCServer;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string, methods: ReadonlyMap<string, ControlMethod>) {
    this.path = path;
    this.#rpc = new JSONRPCServer({ errorListener: () => undefined });
    this.#rpc.mapErrorToJSONRPCErrorResponse = (id, error: unknown) =>
      createJSONRPCErrorResponse(id, OUR_ERROR, lineOf(error), codeOf(error));
    for (const [name, method] of methods) {
      this.#rpc.addMethod(name, (params: unknown) => method(params ?? {}));
    }
    this.#server = createServer((socket) => this.#serve(socket));
    // Whoever cannot be let in now may try again.
    this.#server.on('error', () => undefined);
  }

  /**
   * Opens the socket; one that a killed hub left is replaced. CONTROL_SOCKET says what is wrong:
   * somebody listens there, or the path is too long or cannot be written.
   */
  static async open(
    path: string,
    methods: ReadonlyMap<string, ControlMethod>,
  ): Promise<ControlSocket> {
    const control = new ControlSocket(path, methods);
    if (process.platform === 'win32') await control.#listen(path);
    else await control.#listenPrivately();
    return control;
  }

  /** Ends all connections and removes the socket. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((done) => {
      this.#server.close(() => done());
    });
    if (process.platform !== 'win32') rmSync(this.path, { force: true });
  }

  /**
   * In a folder that only we can enter until its mode is right; then it gets its name at once, in
   * the place of whatever a killed hub left there.
   */
  async #listenPrivately(): Promise<void> {
    if (Buffer.byteLength(this.path) > LONGEST_PATH) {
      throw refused(`${this.path}: longer than ${LONGEST_PATH} bytes, use a shorter --data`);
    }
    await this.#refuseOther();
    const folder = privateFolder(dirname(this.path));
    try {
      const made = join(folder, 's');
      await this.#listen(made);
      chmodSync(made, 0o600);
      renameSync(made, this.path);
    } catch (thrown) {
      this.#server.close();
      throw thrown instanceof ServerError ? thrown : refused(lineOf(thrown), thrown);
    } finally {
      rmSync(join(folder, 's'), { force: true });
      rmdirSync(folder);
    }
  }

  /** Something else than a socket stays; so does one on which somebody answers. */
  async #refuseOther(): Promise<void> {
    const stats = lstatSync(this.path, { throwIfNoEntry: false });
    if (stats === undefined) return;
    if (!stats.isSocket()) throw refused(`${this.path} is not a socket: remove it`);
    if (await answers(this.path)) throw refused(`${this.path} is in use by another hub`);
  }

  #listen(path: string): Promise<void> {
    return new Promise((done, fail) => {
      this.#server.once('error', (error) => fail(refused(lineOf(error), error)));
      this.#server.listen({ path, exclusive: true }, () => done());
    });
  }

  #serve(socket: Socket): void {
    if (this.#sockets.size >= MOST_CONNECTIONS) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let running = 0;
    const lines = new LineSplitter(() => LONGEST_LINE);
    const answer = async (line: string): Promise<void> => {
      running += 1;
      if (running >= MOST_AT_ONCE) socket.pause();
      const response = await this.#rpc.receiveJSON(line);
      running -= 1;
      if (response !== null && !socket.destroyed) socket.write(`${JSON.stringify(response)}\n`);
      if (running < MOST_AT_ONCE) socket.resume();
    };
    socket.on('data', (bytes: Buffer) => {
      lines.feed(bytes, (line) => {
        if (line === null) socket.destroy();
        else if (line !== '') void answer(Buffer.from(line, 'latin1').toString('utf8'));
      });
    });
  }
}

function codeOf(error: unknown): object | undefined {
  if (!(error instanceof AgentMeshError)) return undefined;
  const { code, retryable, message } = error;
  return { code, retryable, message, remedy: null };
}

function privateFolder(folder: string): string {
  try {
    return mkdtempSync(join(folder, '.s-'));
  } catch (thrown) {
    throw refused(lineOf(thrown), thrown);
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((done) => {
    const asking = connect(path);
    const end = (isThere: boolean): void => {
      asking.destroy();
      done(isThere);
    };
    asking.once('connect', () => end(true));
    asking.once('error', (error) => end(textOf(error, 'code') === 'EACCES'));
  });
}

function refused(detail: string, cause?: unknown): ServerError {
  return new ServerError('CONTROL_SOCKET', { detail, cause });
}
