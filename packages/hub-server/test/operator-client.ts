/**
 * An operator's connection to the control socket of a hub, for tests: requests, and raw lines.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

type Members = Record<string, unknown>;

/** What the hub said to one line. */
export interface Answer {
  readonly id: unknown;
  readonly result?: Members;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: Members };
}

/** One connection. */
export class OperatorClient {
  readonly socket: Socket;
  readonly #answers: AsyncIterator<string>;
  #id = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.#answers = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  static async connect(folder: string): Promise<OperatorClient> {
    const socket = connect(join(folder, 'hub.sock'));
    await once(socket, 'connect');
    return new OperatorClient(socket);
  }

  /** The answer to a raw line. */
  async say(line: string): Promise<Answer> {
    this.socket.write(`${line}\n`);
    const { value } = (await this.#answers.next()) as { value: string };
    return JSON.parse(value) as Answer;
  }

  /** The result of a method. */
  async call(method: string, params: Members = {}): Promise<Members> {
    this.#id += 1;
    const answer = await this.say(JSON.stringify({ jsonrpc: '2.0', id: this.#id, method, params }));
    if (answer.result === undefined) throw new TypeError(JSON.stringify(answer.error));
    return answer.result;
  }

  /** The stable code of a refusal. */
  async refusal(method: string, params: Members = {}): Promise<string> {
    const answer = await this.say(JSON.stringify({ jsonrpc: '2.0', id: 0, method, params }));
    return String(answer.error?.data?.['code']);
  }

  end(): void {
    this.socket.destroy();
  }
}
