/**
 * A lean client of the NATS protocol, as far as JetStream needs it: publications with a subject for
 * the answer, subscriptions, and requests to the API. Owns one connection; what is asked of
 * JetStream is `jetstream`'s.
 */
import { BenchError } from '../harness/bench-error.js';
import { CorkedSocket } from './corked-socket.js';

/** A message that came. */
export interface NatsMessage {
  readonly subject: string;
  readonly reply: string;
  readonly payload: Buffer;
}

const CONNECT = { verbose: false, pedantic: false, headers: true, lang: 'bench', version: '1' };
const NEWLINE = 2;

export class NatsClient {
  readonly #handlers = new Map<string, (message: NatsMessage) => void>();
  #socket: CorkedSocket | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  #sid = 0;
  #requests = 0;
  #onPong: () => void = () => undefined;

  static async connect(port: number, localAddress?: string): Promise<NatsClient> {
    const client = new NatsClient();
    client.#socket = await CorkedSocket.open(port, (bytes) => client.#feed(bytes), localAddress);
    client.#socket.write(`CONNECT ${JSON.stringify(CONNECT)}\r\n`);
    return client;
  }

  /** Connects and waits for an answer, as whoever authenticates has to. */
  static async greet(port: number, localAddress?: string): Promise<NatsClient> {
    const client = await NatsClient.connect(port, localAddress);
    const answer = new Promise<void>((resolve) => {
      client.#onPong = resolve;
    });
    client.#socket?.write('PING\r\n');
    await answer;
    return client;
  }

  subscribe(subject: string, onMessage: (message: NatsMessage) => void): void {
    this.#sid += 1;
    this.#handlers.set(String(this.#sid), onMessage);
    this.#socket?.write(`SUB ${subject} ${this.#sid}\r\n`);
  }

  publish(subject: string, payload: string | Buffer, reply = ''): void {
    const where = reply === '' ? subject : `${subject} ${reply}`;
    this.#socket?.write(`PUB ${where} ${payload.length}\r\n`);
    this.#socket?.write(payload);
    this.#socket?.write('\r\n');
  }

  /** A request to the API of JetStream; throws PEER_FAILED for an error. */
  async ask(subject: string, question: object): Promise<object> {
    this.#requests += 1;
    const inbox = `_INBOX.api.${this.#requests}`;
    const answer = await new Promise<NatsMessage>((resolve) => {
      this.subscribe(inbox, resolve);
      this.publish(subject, JSON.stringify(question), inbox);
    });
    const said = JSON.parse(answer.payload.toString()) as { error?: object };
    if (said.error !== undefined) throw new BenchError('PEER_FAILED', JSON.stringify(said.error));
    return said;
  }

  async close(): Promise<void> {
    await this.#socket?.close();
  }

  #feed(bytes: Buffer): void {
    const all = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    let at = 0;
    for (;;) {
      const end = all.indexOf('\r\n', at, 'latin1');
      if (end < 0) break;
      const next = this.#take(all, all.toString('latin1', at, end), end + NEWLINE);
      if (next < 0) break;
      at = next;
    }
    this.#bytes = all.subarray(at);
  }

  /** Handles one line, with its payload; gives where the next begins, or -1 if more must come. */
  #take(all: Buffer, line: string, from: number): number {
    const words = line.split(' ');
    if (words[0] === 'PING') this.#socket?.write('PONG\r\n');
    if (words[0] === 'PONG') this.#onPong();
    if (words[0] === '-ERR') throw new BenchError('PEER_FAILED', `nats: ${line}`);
    if (words[0] !== 'MSG' && words[0] !== 'HMSG') return from;
    const total = Number(words.at(-1));
    if (all.length < from + total + NEWLINE) return -1;
    const headers = words[0] === 'HMSG' ? Number(words.at(-2)) : 0;
    const fixed = words[0] === 'HMSG' ? 5 : 4;
    const reply = words.length > fixed ? (words[3] ?? '') : '';
    const payload = all.subarray(from + headers, from + total);
    this.#handlers.get(words[2] ?? '')?.({ subject: words[1] ?? '', reply, payload });
    return from + total + NEWLINE;
  }
}
