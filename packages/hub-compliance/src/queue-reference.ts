/**
 * The reference of model P3: what a hub's queues must hold, as plain lists. Owns the bookkeeping of
 * what was accepted, is in hand, is owed; does not own a hub. A contradiction is a complaint.
 */
import type { SendFrame } from '@agentmesh/protocol';

export interface ReferenceLimits {
  readonly queueMessages: number;
  readonly senderMessages: number;
  readonly attempts: number;
  readonly credit: number;
}

/** An accepted envelope, from `sent` to its end. */
export interface Accepted {
  readonly envelope: SendFrame['envelope'];
  readonly sender: number;
  readonly recipient: number;
  readonly seq: number;
  readonly expiresMs: number;
  /** Number of its next delivery. */
  attempt: number;
  notBeforeMs: number;
  /** On the recipient's present connection, not yet answered. */
  inHand: boolean;
  deliveries: number;
  reported: boolean;
  state: 'waiting' | 'acknowledged' | 'expired' | 'dead';
}

/** What one recipient's connection may still get; null while it is away. */
type Credit = number | null;

/** Reference for senders and recipients named by numbers. */
export class QueueReference {
  readonly all: Accepted[] = [];
  readonly complaints: string[] = [];
  readonly #limits: ReferenceLimits;
  readonly #credit = new Map<number, Credit>();
  /** By recipient and sender: each sender's own come in order. */
  readonly #lastFirstSeq = new Map<string, number>();

  constructor(limits: ReferenceLimits) {
    this.#limits = limits;
  }

  waiting(recipient: number): Accepted[] {
    return this.all.filter((one) => one.recipient === recipient && one.state === 'waiting');
  }

  inHand(recipient: number): Accepted[] {
    return this.waiting(recipient).filter((one) => one.inHand);
  }

  /** What a hub must answer to a new envelope. */
  answerTo(sender: number, recipient: number): 'sent' | 'QUEUE_FULL' {
    const queue = this.waiting(recipient);
    const own = queue.filter((one) => one.sender === sender);
    const { queueMessages, senderMessages } = this.#limits;
    return queue.length < queueMessages && own.length < senderMessages ? 'sent' : 'QUEUE_FULL';
  }

  accepted(one: Pick<Accepted, 'envelope' | 'sender' | 'recipient' | 'seq' | 'expiresMs'>): void {
    const before = this.all.filter(({ recipient }) => recipient === one.recipient);
    this.#expect(
      before.every(({ seq }) => seq < one.seq),
      `seq ${one.seq} does not rise`,
    );
    const fresh = { attempt: 1, notBeforeMs: 0, inHand: false, deliveries: 0, reported: false };
    this.all.push({ ...one, ...fresh, state: 'waiting' });
  }

  connected(recipient: number): void {
    this.#credit.set(recipient, this.#limits.credit);
  }

  granted(recipient: number, messages: number): void {
    const credit = this.#credit.get(recipient) ?? null;
    if (credit !== null) this.#credit.set(recipient, credit + messages);
  }

  /** The connection is lost; `counts` unless the hub itself went down. */
  lost(recipient: number, counts: boolean): void {
    this.#credit.set(recipient, null);
    for (const one of this.inHand(recipient)) {
      one.inHand = false;
      if (counts) this.#again(one, 0);
    }
  }

  acknowledged(one: Accepted): void {
    one.inHand = false;
    one.state = 'acknowledged';
  }

  refused(one: Accepted, dueMs: number): void {
    one.inHand = false;
    this.#again(one, dueMs);
  }

  /** A delivery came: it must be one that is due, as it was sent, in order, within the credit. */
  delivered(recipient: number, delivery: { seq: number; attempt: number; blob: Uint8Array }): void {
    const one = this.waiting(recipient).find(({ seq }) => seq === delivery.seq);
    if (one === undefined) return this.#complain(`${delivery.seq} is not waiting`);
    const credit = this.#credit.get(recipient) ?? null;
    this.#expect(credit !== null && credit > 0, `${one.seq} pushed without credit`);
    this.#credit.set(recipient, (credit ?? 0) - 1);
    this.#expect(!one.inHand, `${one.seq} pushed twice on one connection`);
    this.#expect(delivery.attempt === one.attempt, `${one.seq} attempt ${delivery.attempt}`);
    this.#expect(delivery.blob[0] === one.envelope.blob[0], `${one.seq} has another blob`);
    if (one.deliveries === 0) {
      const pair = `${recipient} ${one.sender}`;
      const last = this.#lastFirstSeq.get(pair) ?? 0;
      this.#expect(one.seq > last, `${one.seq} delivered first after ${last}`);
      this.#lastFirstSeq.set(pair, one.seq);
    }
    one.deliveries += 1;
    one.inHand = true;
  }

  /** Time has passed. */
  passed(nowMs: number): void {
    for (const one of this.all) {
      if (one.state === 'waiting' && one.expiresMs <= nowMs) one.state = 'expired';
    }
  }

  noticed(sender: number, notice: { id: Uint8Array; what: string }): void {
    const key = notice.id.join();
    const one = this.all.find(({ envelope }) => envelope.id.join() === key);
    const expected = one?.state === 'dead' ? 'dead_lettered' : one?.state;
    this.#expect(one?.sender === sender, 'notice to another sender');
    this.#expect(expected === notice.what, `notice ${notice.what} of one ${one?.state}`);
    if (one !== undefined) one.reported = true;
  }

  /** At rest nothing may be left undone for a connected agent. */
  atRest(nowMs: number, senders: readonly boolean[]): void {
    for (const [recipient, credit] of this.#credit) {
      if (credit === null || credit === 0) continue;
      const due = this.waiting(recipient).filter((one) => !one.inHand && one.notBeforeMs <= nowMs);
      this.#expect(due.length === 0, `${due.map(({ seq }) => seq).join()} due and not pushed`);
    }
    for (const one of this.all) {
      const owed = (one.state === 'expired' || one.state === 'dead') && !one.reported;
      this.#expect(!owed || senders[one.sender] !== true, `${one.seq} not reported`);
    }
  }

  /** At the end every accepted envelope was delivered or reported. */
  atEnd(): void {
    for (const { seq, deliveries, reported, state } of this.all) {
      this.#expect(deliveries > 0 || reported, `${seq} neither delivered nor reported`);
      this.#expect(state !== 'waiting', `${seq} still waits`);
    }
  }

  #again(one: Accepted, dueMs: number): void {
    if (one.attempt >= this.#limits.attempts) one.state = 'dead';
    one.attempt += 1;
    one.notBeforeMs = dueMs;
  }

  #expect(fact: boolean, complaint: string): void {
    if (!fact) this.#complain(complaint);
  }

  #complain(complaint: string): void {
    this.complaints.push(complaint);
  }
}
