/**
 * Redis Streams as a broker: one stream per receiver with one consumer group; an acknowledged entry
 * is deleted, as our hub deletes it. A lean client of RESP with pipelining, so that the server is
 * compared and not a client library.
 */
import { BenchError } from '../harness/bench-error.js';
import type { Broker, Lane } from './broker.js';
import { CorkedSocket } from './corked-socket.js';
import { RespReader } from './resp-reader.js';
import type { Reply } from './resp-reader.js';

const BATCH = 256;
const BLOCK_MS = 60_000;
const GROUP = 'group';

/** Arguments for `redis-server`: everything is on the disk before it is answered. */
export function redisArgs(folder: string, port: number): string[] {
  const words = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, '--save', ''];
  return [...words, '--appendonly', 'yes', '--appendfsync', 'always', '--loglevel', 'warning'];
}

/** One connection; replies come in the order of the commands. */
export class RedisClient {
  readonly #socket: CorkedSocket;
  readonly #waiting: ((reply: Reply) => void)[] = [];
  #first = 0;

  private constructor(socket: CorkedSocket) {
    this.#socket = socket;
  }

  static async connect(port: number): Promise<RedisClient> {
    let settle: (reply: Reply) => void = () => undefined;
    const reader = new RespReader((reply) => settle(reply));
    const socket = await CorkedSocket.open(port, (bytes) => reader.feed(bytes));
    const client = new RedisClient(socket);
    settle = (reply) => client.#settle(reply);
    return client;
  }

  /** Sends a command; `onReply` gets its reply. */
  command(words: readonly (string | Buffer)[], onReply: (reply: Reply) => void): void {
    this.#waiting.push(onReply);
    let head = `*${words.length}\r\n`;
    for (const word of words) {
      head += `$${word.length}\r\n`;
      if (typeof word === 'string') {
        head += `${word}\r\n`;
      } else {
        this.#socket.write(head);
        this.#socket.write(word);
        head = '\r\n';
      }
    }
    this.#socket.write(head);
  }

  ask(...words: readonly string[]): Promise<Reply> {
    return new Promise((resolve) => {
      this.command(words, resolve);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #settle(reply: Reply): void {
    const onReply = this.#waiting[this.#first];
    this.#first += 1;
    if (this.#first === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#first = 0;
    }
    onReply?.(reply);
  }
}

/** Connects both ends of each lane. */
export async function connectRedis(port: number, count: number): Promise<Broker> {
  const clients: RedisClient[] = [];
  const lanes: Lane[] = [];
  for (let number = 0; number < count; number++) {
    const [from, to] = [await RedisClient.connect(port), await RedisClient.connect(port)];
    clients.push(from, to);
    lanes.push(await openLane(from, to, `stream-${number}`));
  }
  const close = (): Promise<void> => {
    for (const client of clients) client.close();
    return Promise.resolve();
  };
  return { lanes, close };
}

async function openLane(from: RedisClient, to: RedisClient, key: string): Promise<Lane> {
  const groups = await to.ask('EXISTS', key);
  if (groups === 0) await to.ask('XGROUP', 'CREATE', key, GROUP, '$', 'MKSTREAM');
  const lane: Lane = {
    send: (blob, accepted) => from.command(['XADD', key, '*', 'b', blob], accepted),
    onDelivery: () => undefined,
  };
  const words = ['XREADGROUP', 'GROUP', GROUP, 'one', 'COUNT', String(BATCH)];
  const read = (): void => {
    to.command([...words, 'BLOCK', String(BLOCK_MS), 'STREAMS', key, '>'], (reply) => {
      const ids = entriesOf(reply).map(([id, blob]) => {
        lane.onDelivery(blob);
        return id;
      });
      if (ids.length > 0) {
        to.command(['XACK', key, GROUP, ...ids], () => undefined);
        to.command(['XDEL', key, ...ids], () => undefined);
      }
      read();
    });
  };
  read();
  return lane;
}

/** `[[key, [[id, ['b', blob]], …]]]`, or null after a silence. */
function entriesOf(reply: Reply): (readonly [id: string, blob: Buffer])[] {
  if (!Array.isArray(reply)) return [];
  const [[, entries] = []] = reply as [[Buffer, [Buffer, [Buffer, Buffer]][]]?];
  if (entries === undefined) throw new BenchError('PEER_FAILED', 'redis: an unknown reply');
  return entries.map(([id, [, blob]]) => [id.toString('latin1'), blob] as const);
}
