/**
 * An authenticated connection that carries envelopes as fast as its socket does, in both
 * directions: for floods, and for the honest beside them. Owns the reading of answers by their
 * text; what is sent and when, its user says.
 */
import { randomBytes } from 'node:crypto';
import { toBase64Url } from '@agentmesh/protocol';
import type { Target } from '../target.js';
import { Intruder } from './intruder.js';

const SENT = '{"type":"sent"';
const DELIVER = '{"type":"deliver","seq":';
const ERROR = '{"type":"error"';
const TTL_SECONDS = 3_600;
/** Unanswered envelopes while a queue is filled. */
const FILLING = 500;

/** One identity that sends and receives. */
export class Courier {
  readonly aid: Uint8Array;
  readonly name: string;
  readonly #intruder: Intruder;
  #held = '';
  #next = 1_000;
  /** Called for each envelope that came; it is acknowledged by itself. */
  onDelivery: (blob: Buffer) => void = () => undefined;
  /** Called when the hub has answered an envelope. */
  onAnswer: (isSent: boolean) => void = () => undefined;

  private constructor(intruder: Intruder) {
    this.#intruder = intruder;
    this.aid = intruder.keyPair.identity.aid;
    this.name = intruder.name;
    const { socket } = intruder.wire;
    socket.removeAllListeners('data');
    socket.on('data', (bytes: Buffer) => this.#read(bytes.toString('latin1')));
  }

  static async at(target: Target, name: string): Promise<Courier> {
    const intruder = await Intruder.at(target, name);
    await intruder.publish();
    return new Courier(intruder);
  }

  /** Two that know each other: neither is a stranger to the other. */
  static async pair(
    target: Target,
    [from, to]: readonly [string, string],
  ): Promise<{ from: Courier; to: Courier }> {
    const pair = { from: await Courier.at(target, from), to: await Courier.at(target, to) };
    const { promise, resolve } = Promise.withResolvers<void>();
    pair.to.onAnswer = () => resolve();
    pair.to.send(pair.from.aid, Buffer.alloc(16));
    await promise;
    pair.to.onAnswer = () => undefined;
    return pair;
  }

  get isClosed(): boolean {
    return this.#intruder.wire.isClosed;
  }

  /** False if the socket has more than it takes. */
  send(to: Uint8Array, blob: Buffer): boolean {
    this.#next += 1;
    const envelope =
      `{"id":"${randomBytes(16).toString('base64url')}","to":"${toBase64Url(to)}",` +
      `"ttl":${TTL_SECONDS},"blob":"${blob.toString('base64url')}"}`;
    return this.#intruder.wire.socket.write(
      `{"type":"send","id":${this.#next},"envelope":${envelope}}\n`,
    );
  }

  /** Sends until the hub refuses, or `most`; gives how many it took. */
  fill(to: Uint8Array, { most, bytes }: { readonly most: number; readonly bytes: number }) {
    const { promise, resolve } = Promise.withResolvers<number>();
    let [open, asked, taken, wanted] = [0, 0, 0, most];
    const goOn = (): void => {
      for (; open < FILLING && asked < wanted; asked++, open++) {
        this.send(to, Buffer.alloc(bytes));
      }
      if (open === 0) resolve(taken);
    };
    this.onAnswer = (isSent) => {
      open -= 1;
      if (isSent) taken += 1;
      else wanted = asked;
      goOn();
    };
    goOn();
    return promise;
  }

  /** Resolves when the socket takes more, or is closed. */
  async drained(): Promise<void> {
    if (this.isClosed) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#intruder.wire.socket.once('drain', resolve).once('close', resolve);
    await promise;
  }

  end(): void {
    this.#intruder.end();
  }

  #read(text: string): void {
    const lines = (this.#held + text).split('\n');
    this.#held = lines.pop() ?? '';
    const seqs: string[] = [];
    let bytes = 0;
    for (const line of lines) {
      if (line.startsWith(SENT)) this.onAnswer(true);
      else if (line.startsWith(ERROR)) this.onAnswer(false);
      if (!line.startsWith(DELIVER)) continue;
      seqs.push(line.slice(DELIVER.length, line.indexOf(',', DELIVER.length)));
      const blob = Buffer.from(line.slice(line.lastIndexOf(':"') + 2, -3), 'base64url');
      bytes += blob.length;
      this.onDelivery(blob);
    }
    if (seqs.length === 0) return;
    this.#intruder.wire.socket.write(
      `{"type":"ack","seqs":[${seqs.join(',')}]}\n` +
        `{"type":"credit","messages":${seqs.length},"bytes":${bytes}}\n`,
    );
  }
}
