/**
 * P1 and P7: two sides talk over a network that delays, drops, repeats, damages and forges, and
 * that restarts them. A model without cryptography says what must happen; a ledger inside AES-GCM
 * and beside every message says that no key is used twice.
 */
import { beforeAll, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { Opened, Refused } from '../src/index.js';
import * as symmetric from '../src/symmetric/node.js';
import type { SealInput } from '../src/symmetric/types.js';
import { otherOf, RatchetModel } from './ratchet-model.js';
import type { ModelMessage, Name } from './ratchet-model.js';
import { repeat } from './seed.js';
import type { Side } from './two-agents.js';

/** P7: what was used for sealing. Anything that comes twice is remembered as a fault. */
const ledger = {
  used: new Set<string>(),
  faults: [] as string[],
  use(kind: string, ...parts: readonly (Uint8Array | number)[]) {
    const values = parts.map((part) =>
      typeof part === 'number' ? part : Buffer.from(part).toString('hex'),
    );
    const entry = [kind, ...values].join(' ');
    if (this.used.has(entry)) this.faults.push(entry);
    this.used.add(entry);
  },
  clear() {
    this.used.clear();
    this.faults.length = 0;
  },
};

jest.unstable_mockModule('#symmetric', () => ({
  ...symmetric,
  aes256GcmSeal(input: SealInput) {
    ledger.use('AES key and nonce', input.key, input.nonce);
    return symmetric.aes256GcmSeal(input);
  },
}));

// After the mock, so that everything below seals through the ledger.
const { decodeSession, encodeSession, parseMessage, ready, toHex } =
  await import('../src/index.js');
const { stepChain } = await import('../src/chain-key.js');
const { flipBit } = await import('./forgery.js');
const agents = await import('./two-agents.js');
const { seededRandom } = await import('./seeded-random.js');

beforeAll(ready);

/** The two sides; Bob has no session before he hears the first message. */
class Pair {
  readonly #sides: { alice: Side; bob: Side | null };
  readonly #bob: Side['me'];
  #oneTimeLeft = true;
  #sent = 0;

  constructor(alice: Side['me'], bob: Side['me']) {
    const random = seededRandom('run');
    this.#bob = { ...bob, random };
    this.#sides = { alice: agents.initiate({ ...alice, random }, this.#bob), bob: null };
  }

  side(name: Name): Side | null {
    return this.#sides[name];
  }

  say(name: Name): ModelMessage {
    const side = this.#sides[name];
    if (side === null) throw new TypeError('no session yet');
    this.#sent += 1;
    const text = `message ${this.#sent}`;
    const { messageKey } = stepChain(side.session.sending);
    const wire = agents.say(side, text);
    const { sid, ratchetKey, number, previousLength, salt } = parseMessage(wire);
    ledger.use('sid, ratchet key and N', sid, ratchetKey, number);
    ledger.use('message key', messageKey.reveal());
    ledger.use('message key and salt', messageKey.reveal(), salt);
    const place = { chain: toHex(ratchetKey), number, previousLength };
    const fate = { dropped: false, heard: false, skippedAtMs: null };
    return { from: name, text, wire, ...place, ...fate };
  }

  /** What the side answers; it moves on only if the message was heard. */
  hear(name: Name, wire: Uint8Array, nowMs: number): Opened | Refused {
    const side = this.#sides[name];
    if (side === null) return this.#hearFirst(wire, nowMs);
    const answer = agents.tryHear(side, wire, nowMs);
    if (answer.ok) side.session = answer.session;
    return answer;
  }

  #hearFirst(wire: Uint8Array, nowMs: number): Opened | Refused {
    const me = this.#bob;
    const known = agents.prekeysOf(me);
    const prekeys = { ...known, oneTime: (id: number) => this.#oneTime(id) };
    const answer = agents.tryHearFirst(me, wire, { prekeys, nowMs });
    if (answer.ok) {
      this.#oneTimeLeft = false;
      this.#sides.bob = { me, peer: this.#sides.alice.me, session: answer.session };
    }
    return answer;
  }

  #oneTime(id: number) {
    return this.#oneTimeLeft ? agents.prekeysOf(this.#bob).oneTime(id) : null;
  }

  restart(name: Name): void {
    const side = this.#sides[name];
    if (side !== null) side.session = decodeSession(encodeSession(side.session));
  }

  /** All that a refusal must leave alone. */
  state(): string {
    const { alice, bob } = this.#sides;
    return [alice, bob].map((side) => side && toHex(encodeSession(side.session))).join();
  }
}

type Command = fc.Command<RatchetModel, Pair>;

/** A command in words for the counterexample. */
function command(
  words: string,
  check: (model: Readonly<RatchetModel>) => boolean,
  run: (model: RatchetModel, real: Pair) => void,
): Command {
  return { check, run, toString: () => words };
}

/** The message at this fraction of all messages to a side that fit. */
function pick(
  model: Readonly<RatchetModel>,
  to: Name,
  at: number,
  fits: (message: ModelMessage) => boolean = () => true,
): ModelMessage | undefined {
  const messages = model.messagesTo(to).filter(fits);
  return messages[Math.floor(at * messages.length)];
}

const isUnderWay = ({ heard, dropped }: ModelMessage) => !heard && !dropped;

function expectRefused(model: RatchetModel, real: Pair, to: Name, wire: Uint8Array): void {
  const before = real.state();
  const answer = real.hear(to, wire, model.nowMs);
  expect(answer.ok).toBe(false);
  expect(real.state()).toBe(before);
}

function deliver(model: RatchetModel, real: Pair, message: ModelMessage): void {
  const to = otherOf(message.from);
  const expected = model.expected(message);
  const before = real.state();
  const answer = real.hear(to, message.wire, model.nowMs);
  expect(answer.ok ? 'heard' : answer.error.code).toBe(expected);
  if (!answer.ok) return expect(real.state()).toBe(before);
  expect(agents.textOf(answer)).toBe(message.text);
  model.hear(message);
  expect(answer.session.skipped.length).toBeLessThanOrEqual(model.skippedAtMost(to));
}

function sayAndNote(model: RatchetModel, real: Pair, from: Name): ModelMessage {
  const message = real.say(from);
  model.sent(message);
  return message;
}

const send = (from: Name, count: number) =>
  command(
    `${from} sends ${count}`,
    (model) => model.canSend(from),
    (model, real) => {
      for (let i = 0; i < count; i++) sayAndNote(model, real, from);
    },
  );

/** Each answers the other at once: every round turns both ratchet keys. */
const converse = (rounds: number) =>
  command(
    `${rounds} rounds of conversation`,
    () => true,
    (model, real) => {
      for (let round = 0; round < rounds; round++) {
        deliver(model, real, sayAndNote(model, real, 'alice'));
        deliver(model, real, sayAndNote(model, real, 'bob'));
      }
    },
  );

const deliverOne = (to: Name, at: number) =>
  command(
    `deliver to ${to} at ${at}`,
    (model) => pick(model, to, at, isUnderWay) !== undefined,
    (model, real) => {
      const message = pick(model, to, at, isUnderWay);
      if (message !== undefined) deliver(model, real, message);
    },
  );

const repeatOne = (to: Name, at: number) =>
  command(
    `repeat to ${to} at ${at}`,
    (model) => pick(model, to, at, ({ heard }) => heard) !== undefined,
    (model, real) => {
      const message = pick(model, to, at, ({ heard }) => heard);
      if (message !== undefined) deliver(model, real, message);
    },
  );

const drop = (to: Name, at: number) =>
  command(
    `drop to ${to} at ${at}`,
    (model) => pick(model, to, at, isUnderWay) !== undefined,
    (model) => {
      const message = pick(model, to, at, isUnderWay);
      if (message !== undefined) message.dropped = true;
    },
  );

const corrupt = (to: Name, at: number, bitAt: number) =>
  command(
    `corrupt bit ${bitAt} to ${to} at ${at}`,
    (model) => pick(model, to, at) !== undefined,
    (model, real) => {
      const wire = pick(model, to, at)?.wire ?? new Uint8Array(0);
      expectRefused(model, real, to, flipBit(wire, Math.floor(bitAt * 8 * wire.length)));
    },
  );

const forgeDh = (to: Name, at: number, key: Uint8Array) =>
  command(
    `forge ratchet key to ${to} at ${at}`,
    (model) => pick(model, to, at) !== undefined,
    (model, real) => {
      const forged = new Uint8Array(pick(model, to, at)?.wire ?? []);
      forged.set(key, 20);
      expectRefused(model, real, to, forged);
    },
  );

const restart = (name: Name) =>
  command(
    `${name} restarts`,
    () => true,
    (_, real) => real.restart(name),
  );

const wait = (days: number) =>
  command(
    `${days} days pass`,
    // Before Bob has a session, time would end his prekeys, which is not this model's subject.
    (model) => model.canSend('bob'),
    (model) => {
      model.nowMs += days * agents.DAY;
    },
  );

const anyName = fc.constantFrom<Name>('alice', 'bob');
const anyFraction = fc.integer({ min: 0, max: 999 }).map((n) => n / 1000);
const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 });

const commands = fc.commands(
  [
    fc.tuple(anyName, fc.integer({ min: 1, max: 5 })).map((args) => send(...args)),
    fc.integer({ min: 1, max: 3 }).map(converse),
    fc.tuple(anyName, anyFraction).map(([to, at]) => deliverOne(to, at)),
    fc.tuple(anyName, anyFraction).map(([to, at]) => deliverOne(to, at)),
    fc.tuple(anyName, fc.constant(0)).map(([to, at]) => deliverOne(to, at)),
    fc.tuple(anyName, anyFraction).map(([to, at]) => repeatOne(to, at)),
    fc.tuple(anyName, anyFraction).map(([to, at]) => drop(to, at)),
    fc.tuple(anyName, anyFraction, anyFraction).map((args) => corrupt(...args)),
    fc.tuple(anyName, anyFraction, anyKey).map((args) => forgeDh(...args)),
    anyName.map(restart),
    fc.integer({ min: 1, max: 8 }).map(wait),
  ],
  { maxCommands: 80, size: 'max' },
);

/** Whatever happened: both still hear each other, and what is under way arrives if it may. */
function settle(model: RatchetModel, real: Pair): void {
  for (const to of ['bob', 'alice'] as const) {
    for (const message of model.messagesTo(to).filter(isUnderWay)) deliver(model, real, message);
  }
  for (const from of ['alice', 'bob', 'alice'] as const) {
    const message = sayAndNote(model, real, from);
    expect(model.expected(message)).toBe('heard');
    deliver(model, real, message);
  }
}

const { title, parameters } = repeat(300);

test(
  `P1 ratchet-pair, P7 key-use ledger: as the model says, and no key twice (${title})`,
  () => {
    const alice = agents.makeAgent('alice');
    const bob = agents.makeAgent('bob');
    const property = fc.property(commands, (chosen) => {
      ledger.clear();
      const state = { model: new RatchetModel(agents.NOW), real: new Pair(alice, bob) };
      fc.modelRun(() => state, chosen);
      settle(state.model, state.real);
      expect(ledger.faults).toEqual([]);
    });
    fc.assert(property, parameters);
  },
  Math.max(120_000, 500 * parameters.numRuns),
);

test('P7 key-use ledger: a restored snapshot seals under its old message key, never under an old AES key and nonce', () => {
  ledger.clear();
  const { alice } = agents.established(agents.makeAgent('alice'), agents.makeAgent('bob'));
  const snapshot = encodeSession(alice.session);
  const before = ledger.used.size;
  for (let run = 0; run < 100; run++) {
    alice.session = decodeSession(snapshot);
    agents.say(alice, `run ${run}`);
  }
  expect(ledger.used.size).toBe(before + 100);
  expect(ledger.faults).toEqual([]);
});

test('P7 key-use ledger: it sees a key and nonce that are used twice', () => {
  ledger.clear();
  const { alice } = agents.established(agents.makeAgent('alice'), agents.makeAgent('bob'));
  const snapshot = encodeSession(alice.session);
  const random = (length: number) => new Uint8Array(length).fill(1);
  const careless = { ...alice, me: { ...alice.me, random } };
  for (let run = 0; run < 2; run++) {
    careless.session = decodeSession(snapshot);
    agents.say(careless, 'with the same salt');
  }
  expect(ledger.faults).toHaveLength(1);
});
