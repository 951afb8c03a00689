/**
 * Replies of Redis (RESP2) out of a byte stream. Owns reassembly and shape; a reply is read once,
 * however many pieces it comes in.
 */
import { BenchError } from '../harness/bench-error.js';

export type Reply = number | Buffer | null | readonly Reply[];

interface OpenArray {
  readonly items: Reply[];
  left: number;
}

const CR_LF = 2;

export class RespReader {
  readonly #onReply: (reply: Reply) => void;
  readonly #open: OpenArray[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(onReply: (reply: Reply) => void) {
    this.#onReply = onReply;
  }

  feed(bytes: Buffer): void {
    const rest = this.#bytes.subarray(this.#at);
    this.#bytes = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    this.#at = 0;
    while (this.#step());
  }

  /** Reads one element, if it is there whole. */
  #step(): boolean {
    const end = this.#bytes.indexOf('\r\n', this.#at, 'latin1');
    if (end < 0) return false;
    const head = this.#bytes.toString('latin1', this.#at + 1, end);
    const next = end + CR_LF;
    const kind = String.fromCharCode(this.#bytes[this.#at] ?? 0);
    if (kind === '$' && head !== '-1') return this.#bulk(next, Number(head));
    this.#at = next;
    // While it reads its files after a start, every command is answered so: the caller asks again.
    if (kind === '-' && head.startsWith('LOADING')) this.#add(null);
    else if (kind === '-') throw new BenchError('PEER_FAILED', `redis: ${head}`);
    else this.#simple(kind, head);
    return true;
  }

  #simple(kind: string, head: string): void {
    if (kind === ':') this.#add(Number(head));
    else if (kind === '+') this.#add(Buffer.from(head, 'latin1'));
    else if (kind === '*' && Number(head) > 0) this.#open.push({ items: [], left: Number(head) });
    else this.#add(kind === '*' && head === '0' ? [] : null);
  }

  #bulk(from: number, length: number): boolean {
    if (this.#bytes.length < from + length + CR_LF) return false;
    this.#at = from + length + CR_LF;
    this.#add(this.#bytes.subarray(from, from + length));
    return true;
  }

  #add(reply: Reply): void {
    for (let value: Reply = reply; ;) {
      const array = this.#open.at(-1);
      if (array === undefined) return this.#onReply(value);
      array.items.push(value);
      array.left -= 1;
      if (array.left > 0) return;
      this.#open.pop();
      value = array.items;
    }
  }
}
