/**
 * Model P3: random histories of sending, acknowledging, refusing, waiting, losing connections and
 * crashing, compared with a reference that is a plain list per recipient. Owns the commands; the
 * reference is `queue-reference`.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ready } from '@agentmesh/protocol';
import type { SendFrame } from '@agentmesh/protocol';
import type { HubUnderTest, StartHub } from './hub-under-test.js';
import { QueueReference } from './queue-reference.js';
import type { Accepted } from './queue-reference.js';
import { randomRuns } from './random-runs.js';
import { RawClient } from './raw-client.js';
import { seededRandom } from './seeded-random.js';
import { TestAgent } from './test-agent.js';

const LIMITS = { queueMessages: 12, senderMessages: 3, attempts: 3, credit: 4 };
const SHORT_TTL = 3;
const LONG_TTL = 600;

/** One step of a history. Numbers name senders (0, 1), recipients (0, 1) and places in a list. */
export type Command =
  | { readonly do: 'send'; readonly from: number; readonly to: number; readonly short: boolean }
  | { readonly do: 'resend'; readonly which: number; readonly changed: boolean }
  | { readonly do: 'ack'; readonly by: number; readonly which: number }
  | { readonly do: 'nack'; readonly by: number; readonly which: number; readonly delay: number }
  | { readonly do: 'credit'; readonly by: number; readonly messages: number }
  | { readonly do: 'join' | 'leave'; readonly who: 'sender' | 'recipient'; readonly which: number }
  | { readonly do: 'wait'; readonly seconds: number }
  | { readonly do: 'crash' };

const two = fc.integer({ min: 0, max: 1 });
const place = fc.nat(6);
const commands: fc.Arbitrary<Command>[] = [
  fc.record({ do: fc.constant('send'), from: two, to: two, short: fc.boolean() }),
  fc.record({ do: fc.constant('send'), from: two, to: two, short: fc.constant(false) }),
  fc.record({ do: fc.constant('resend'), which: place, changed: fc.boolean() }),
  fc.record({ do: fc.constant('ack'), by: two, which: place }),
  fc.record({ do: fc.constant('nack'), by: two, which: place, delay: fc.constantFrom(0, 2_000) }),
  fc.record({ do: fc.constant('credit'), by: two, messages: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    do: fc.constantFrom('join', 'leave'),
    who: fc.constantFrom('sender', 'recipient'),
    which: two,
  }),
  fc.record({ do: fc.constant('wait'), seconds: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('crash') }),
];

/** A hub, its clients and the reference, moving together. */
class History {
  readonly #hub: HubUnderTest;
  readonly #reference = new QueueReference(LIMITS);
  readonly #agents: { readonly sender: TestAgent[]; readonly recipient: TestAgent[] };
  readonly #clients: Record<'sender' | 'recipient', (RawClient | null)[]>;
  #envelopes = 0;
  #timePassed = false;

  constructor(hub: HubUnderTest, agents: readonly TestAgent[]) {
    this.#hub = hub;
    this.#agents = { sender: agents.slice(0, 2), recipient: agents.slice(2, 4) };
    this.#clients = { sender: [null, null], recipient: [null, null] };
  }

  /** Runs a history and gives what was wrong; empty when nothing was. */
  async run(history: readonly Command[]): Promise<string[]> {
    for (const who of ['sender', 'recipient'] as const) {
      for (const which of [0, 1]) await this.#join(who, which);
    }
    for (const command of history) await this.#apply(command);
    await this.#finish();
    return this.#reference.complaints;
  }

  /** After every step the hub comes to rest and what it pushed is compared: one second at most. */
  async #step(action: () => Promise<void>): Promise<void> {
    await action();
    await this.#hub.rest();
    this.#reference.passed(this.#hub.clock());
    this.#clients.recipient.forEach((client, recipient) => {
      for (const { seq, attempt, envelope } of client?.all('deliver') ?? []) {
        this.#reference.delivered(recipient, { seq, attempt, blob: envelope.blob });
      }
    });
    this.#clients.sender.forEach((client, sender) => {
      for (const notice of client?.all('notice') ?? []) this.#reference.noticed(sender, notice);
    });
    // Agents that are connected while time passes are told; the hub sweeps once a second.
    const told = this.#clients.sender.map((client) => client !== null && this.#timePassed);
    this.#timePassed = false;
    this.#reference.atRest(this.#hub.clock(), told);
  }

  async #apply(command: Command): Promise<void> {
    switch (command.do) {
      case 'send':
        return this.#step(() => this.#send(command));
      case 'resend':
        return this.#step(() => this.#resend(command.which, command.changed));
      case 'ack':
        return this.#step(() => this.#answer(command.by, command.which, null));
      case 'nack':
        return this.#step(() => this.#answer(command.by, command.which, command.delay));
      case 'credit':
        return this.#step(() => this.#grant(command.by, command.messages));
      case 'join':
        return this.#join(command.who, command.which);
      case 'leave':
        return this.#step(() => this.#leave(command.who, command.which));
      case 'wait':
        return this.#wait(command.seconds);
      case 'crash':
        return this.#step(() => this.#crash());
    }
  }

  async #send({ from, to, short }: Extract<Command, { do: 'send' }>): Promise<void> {
    const ttl = short ? SHORT_TTL : LONG_TTL;
    const client = this.#clients.sender[from];
    const recipient = this.#agents.recipient[to];
    if (!client || recipient === undefined) return;
    this.#envelopes += 1;
    const id = new Uint8Array(16).fill(this.#envelopes);
    const blob = new Uint8Array(10).fill(this.#envelopes);
    const envelope = { id, to: recipient.aid, ttl, blob };
    const expected = this.#reference.answerTo(from, to);
    const reply = await client.request({ type: 'send', envelope });
    const answer = reply.type === 'error' ? reply.code : reply.type;
    if (answer !== expected) this.#reference.complaints.push(`${answer} instead of ${expected}`);
    if (reply.type !== 'sent') return;
    const expiresMs = this.#hub.clock() + ttl * 1000;
    const { seq } = reply;
    this.#reference.accepted({ envelope, sender: from, recipient: to, seq, expiresMs });
  }

  async #resend(which: number, changed: boolean): Promise<void> {
    const one = this.#reference.all.at(-1 - which);
    const client = one && this.#clients.sender[one.sender];
    if (!client) return;
    if (this.#hub.forgetsGone === true && one.state !== 'waiting') return;
    const envelope: SendFrame['envelope'] = changed
      ? { ...one.envelope, blob: new Uint8Array(11) }
      : one.envelope;
    const reply = await client.request({ type: 'send', envelope });
    const fine = changed
      ? reply.type === 'error' && reply.code === 'CONFLICT'
      : reply.type === 'sent' && reply.duplicate && reply.seq === one.seq;
    if (!fine) this.#reference.complaints.push(`${one.seq} sent again: ${JSON.stringify(reply)}`);
  }

  #inHand(by: number, which: number): Accepted | undefined {
    const hand = this.#reference.inHand(by);
    return hand[which % Math.max(1, hand.length)];
  }

  /** Acknowledges, or refuses with a delay. */
  async #answer(by: number, which: number, delay: number | null): Promise<void> {
    const client = this.#clients.recipient[by];
    const one = this.#inHand(by, which);
    if (!client || one === undefined) return;
    if (delay === null) {
      this.#reference.acknowledged(one);
      client.send({ type: 'ack', seqs: [one.seq] });
    } else {
      this.#reference.refused(one, this.#hub.clock() + delay);
      client.send({ type: 'nack', seq: one.seq, delay, reason: 'STORAGE' });
    }
    await client.settle();
  }

  async #grant(by: number, messages: number): Promise<void> {
    const client = this.#clients.recipient[by];
    if (!client) return;
    this.#reference.granted(by, messages);
    client.send({ type: 'credit', messages, bytes: 0 });
    await client.settle();
  }

  /** A hub without connections may let time pass unseen: a second shows it what has expired. */
  async #join(who: 'sender' | 'recipient', which: number): Promise<void> {
    await this.#step(() => this.#connect(who, which));
    await this.#wait(1);
  }

  async #connect(who: 'sender' | 'recipient', which: number): Promise<void> {
    const agent = this.#agents[who][which];
    if (agent === undefined) return;
    const older = this.#clients[who][which];
    if (older && who === 'recipient') this.#reference.lost(which, true);
    this.#clients[who][which] = await RawClient.authenticate(this.#hub, agent.credentials());
    if (who === 'recipient') this.#reference.connected(which);
  }

  async #leave(who: 'sender' | 'recipient', which: number): Promise<void> {
    const client = this.#clients[who][which];
    if (!client) return;
    this.#clients[who][which] = null;
    if (who === 'recipient') this.#reference.lost(which, true);
    client.close();
    await client.closed();
  }

  async #wait(seconds: number): Promise<void> {
    for (let second = 0; second < seconds; second++) await this.#step(() => this.#second());
  }

  /** Everyone says something, so that nobody is closed as silent. */
  async #second(): Promise<void> {
    for (const client of [...this.#clients.sender, ...this.#clients.recipient]) {
      await client?.settle();
    }
    await this.#hub.advance(1_000);
    this.#timePassed = true;
  }

  async #crash(): Promise<void> {
    for (const which of [0, 1]) this.#reference.lost(which, false);
    this.#clients.sender.fill(null);
    this.#clients.recipient.fill(null);
    await this.#hub.restart();
  }

  /** All come, take everything and wait for the rest to expire. */
  async #finish(): Promise<void> {
    for (const which of [0, 1]) {
      await this.#join('sender', which);
      await this.#join('recipient', which);
    }
    for (const by of [0, 1]) {
      await this.#step(() => this.#grant(by, 1_000));
      await this.#wait(4);
      while (this.#reference.inHand(by).length > 0) {
        await this.#step(() => this.#answer(by, 0, null));
      }
    }
    this.#reference.atEnd();
  }
}

/** As long as so many histories may take on a loaded machine, each over a network. */
function limitMs(numRuns: number): number {
  return Math.max(120_000, numRuns * 15_000);
}

/** Declares P3 for one kind of hub; fewer histories where each step waits for a network. */
export function hubQueueModel(name: string, start: StartHub, usualRuns = 500): void {
  const { seed, numRuns } = randomRuns(usualRuns);
  const limits = {
    queueMessages: LIMITS.queueMessages,
    deliveryAttempts: LIMITS.attempts,
    initialCreditMessages: LIMITS.credit,
  };
  const random = seededRandom(3);

  describe(`${name} queues`, () => {
    test(
      `P3 hub-queue: delivered or reported, ${numRuns} runs, FC_SEED=${seed}`,
      async () => {
        await ready();
        const names = ['s-0', 's-1', 'r-0', 'r-1'];
        const agents = names.map((agentName) => new TestAgent(agentName, random));
        const histories = fc.array(fc.oneof(...commands), { maxLength: 40 });
        await fc.assert(
          fc.asyncProperty(histories, async (history) => {
            const hub = await start({ limits });
            try {
              expect(await new History(hub, agents).run(history)).toEqual([]);
            } finally {
              await hub.stop();
            }
          }),
          { seed, numRuns },
        );
      },
      limitMs(numRuns),
    );
  });
}
