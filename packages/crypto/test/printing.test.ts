/** No way of printing a key, a session, a result or an error shows a secret. */
import { Buffer } from 'node:buffer';
import { inspect } from 'node:util';
import { beforeAll, expect, test } from '@jest/globals';
import {
  AgentKeyPair,
  CryptoError,
  decodePrekeyPair,
  decodeSession,
  encodePrekeyPair,
  encodeSession,
  HubKeyPair,
  performKeyExchange,
  ready,
  seal,
  Secret,
} from '../src/index.js';
import { flipBit } from './forgery.js';
import { expectRefused } from './refusal.js';
import {
  contentOf,
  established,
  hear,
  hearFirst,
  initiate,
  makeAgent,
  say,
  tryHear,
  tryHearFirst,
  verifiedBundleOf,
} from './two-agents.js';

beforeAll(ready);

/** Everything that a log, a debugger, a crash report or a careless `+` could make of a value. */
function printed(value: unknown): string[] {
  const options = { depth: null, showHidden: true, maxArrayLength: null, compact: true };
  const plain = { ...options, customInspect: false };
  const fields = typeof value === 'object' && value !== null ? Object.values(value) : [];
  return [
    inspect(value),
    inspect(value, { ...options, getters: true }),
    inspect(value, plain),
    inspect({ inside: [value] }, plain),
    JSON.stringify(value),
    JSON.stringify({ inside: [value] }, null, 2),
    String(value),
    [value].join(),
    inspect(cloned(value), plain),
    inspect({ ...(value as object) }, plain),
    inspect(fields, options),
  ];
}

/** What a message port would carry; what cannot be cloned says only that. */
function cloned(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch (error) {
    return error;
  }
}

/** The first bytes of a secret in every notation that the texts above could hold. */
function traces(secret: Uint8Array): string[] {
  const start = Buffer.from(secret.subarray(0, 6));
  const text = Buffer.from(secret).toString('base64').slice(0, 8);
  return [
    start.toString('hex'),
    start.join(','),
    text,
    text.replace(/\+/g, '-').replace(/\//g, '_'),
  ];
}

/** Which of the secrets can be read out of the value, if any. */
function leaks(value: unknown, secrets: readonly Uint8Array[]): number[] {
  // Without spaces and without the indices that JSON gives the elements of a typed array.
  const texts = printed(value).map((text) => text.replace(/"\d+":|'\d+':|\s/g, ''));
  const leaked = (secret: Uint8Array) =>
    traces(secret).some((trace) => texts.some((text) => text.includes(trace)));
  return secrets.flatMap((secret, index) => (leaked(secret) ? [index] : []));
}

/** Every secret that is behind a value, found without its help. */
function secretsBehind(value: unknown, found: Uint8Array[] = []): Uint8Array[] {
  if (value instanceof Secret) found.push(value.reveal());
  else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    for (const inner of Object.values(value)) secretsBehind(inner, found);
  }
  return found;
}

/** A session with everything in it: old chains and skipped keys. */
function richSession() {
  const { alice, bob } = established(makeAgent('alice'), makeAgent('bob'));
  say(alice, 'lost');
  hear(bob, say(alice, 'heard'));
  hear(alice, say(bob, 'turn'));
  say(alice, 'lost too');
  const opened = hear(bob, say(alice, 'turned'));
  return { alice, bob, opened };
}

const secretsOf = (keyPair: AgentKeyPair) => Object.values(keyPair.exportSecrets()) as Uint8Array[];

test('the search finds secrets that are printed, in every notation', () => {
  const secret = makeAgent('bob').keyPair.exportSecrets().signingSeed;
  const buffer = Buffer.from(secret);
  const careless = [
    { seed: secret },
    { seed: buffer },
    { seed: [...secret] },
    { seed: buffer.toString('hex') },
    { seed: buffer.toString('base64') },
    { seed: buffer.toString('base64url') },
    new TypeError('bad seed', { cause: secret }),
    new Map([['seed', secret]]),
  ];
  for (const value of careless) expect(leaks(value, [secret])).toEqual([0]);
  expect(leaks({ kind: 'nothing' }, [secret])).toEqual([]);
});

test('key pairs of agents and hubs show public values only', () => {
  const { keyPair } = makeAgent('bob');
  expect(leaks(keyPair, secretsOf(keyPair))).toEqual([]);
  const seed = new Uint8Array(32).map((_, i) => 7 * i + 1);
  expect(leaks(HubKeyPair.fromSeed(seed), [seed])).toEqual([]);
  expect(JSON.parse(JSON.stringify(keyPair))).toEqual({
    address: keyPair.address,
    fingerprint: keyPair.fingerprint,
  });
});

test('prekey pairs show public values only, made and read back', () => {
  const { signed, keyPair } = makeAgent('bob');
  const secrets = secretsBehind(signed);
  expect(secrets).toHaveLength(3);
  expect(leaks(signed, secrets)).toEqual([]);
  expect(leaks(decodePrekeyPair(encodePrekeyPair(signed), keyPair.identity), secrets)).toEqual([]);
});

test('sessions show public values only: begun, established, with skipped keys, read back', () => {
  const { alice, bob } = richSession();
  const begun = initiate(makeAgent('alice'), makeAgent('bob')).session;
  for (const session of [begun, alice.session, bob.session]) {
    const secrets = secretsBehind(session);
    // Root, ratchet scalar and two of each chain; the skipped keys besides.
    const chains = session.phase === 'established' ? 2 : 1;
    const expected = 2 + 2 * chains + session.old.length + session.skipped.length;
    expect(secrets).toHaveLength(expected);
    expect(leaks(session, secrets)).toEqual([]);
    expect(leaks(decodeSession(encodeSession(session)), secrets)).toEqual([]);
  }
});

test('what sealing and opening give shows no key: neither of the new session nor of the old one', () => {
  const { alice, bob, opened } = richSession();
  const secrets = [alice, bob].flatMap(({ me, session }) => [
    ...secretsBehind(session),
    ...secretsOf(me.keyPair),
  ]);
  const { session, me } = alice;
  const { keyPair, random } = me;
  const sealed = seal({ session, keyPair, content: contentOf('hello'), random });
  const first = hearFirst(makeAgent('bob'), me, say(initiate(me, makeAgent('bob')), 'hello'));
  for (const result of [opened, sealed, first.opened, tryHear(bob, sealed.wire)]) {
    expect(leaks(result, [...secrets, ...secretsBehind(result)])).toEqual([]);
  }
});

test('refusals and exceptions show no key, in message, stack, cause or fields', () => {
  const { alice, bob } = richSession();
  const wire = say(alice, 'hello');
  const secrets = [alice, bob].flatMap(({ me, session }) => [
    ...secretsBehind(session),
    ...secretsBehind(me.signed),
    ...secretsOf(me.keyPair),
  ]);
  const seed = secretsOf(alice.me.keyPair)[0] ?? new Uint8Array(0);
  const long = new Uint8Array([...seed, 0]);
  const short = seed.subarray(0, 31);
  const attempts: (() => unknown)[] = [
    ...[0, 8 * 4, 8 * 20, 8 * 60, 8 * 80, 8 * 100].map(
      (bit) => () => tryHear(bob, flipBit(wire, bit)),
    ),
    () => tryHearFirst(bob.me, flipBit(say(initiate(alice.me, bob.me), 'hello'), 8 * 100)),
    () => AgentKeyPair.fromSecrets({ signingSeed: long, dhScalar: seed }),
    () => AgentKeyPair.fromSecrets({ signingSeed: seed, dhScalar: short }),
    () => HubKeyPair.fromSeed(long),
    () => decodeSession(encodeSession(bob.session).subarray(1)),
    () => decodeSession(encodeSession(bob.session).subarray(0, -1)),
    () =>
      decodePrekeyPair(encodePrekeyPair(bob.me.signed).subarray(0, -1), bob.me.keyPair.identity),
    () => alice.me.keyPair.dh(new Uint8Array(32)),
    () =>
      performKeyExchange({
        keyPair: alice.me.keyPair,
        bundle: verifiedBundleOf(bob.me),
        generation: 1,
        random: () => short,
      }),
  ];
  for (const attempt of attempts) {
    const error = errorOf(attempt);
    expect(error).toBeInstanceOf(CryptoError);
    expect(leaks(error, [...secrets, long, short])).toEqual([]);
    expect(leaks([error.message, error.stack, error.cause], secrets)).toEqual([]);
  }
});

/** What was thrown, or the error of a refusal. */
function errorOf(attempt: () => unknown): Error {
  try {
    const result = attempt() as { ok?: unknown; error?: unknown };
    if (result.ok === false && result.error instanceof Error) return result.error;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new TypeError('an error or a refusal expected');
}

test('all ways in which opening fails say the same', () => {
  const { alice, bob } = richSession();
  const wire = say(alice, 'hello');
  const texts = new Set<string>();
  for (const [byte, code] of [
    [60, 'BAD_HEADER'],
    [100, 'BAD_CIPHERTEXT'],
  ] as const) {
    const damaged = flipBit(wire, 8 * byte);
    expectRefused(bob, damaged, code);
    texts.add(errorOf(() => tryHear(bob, damaged)).message);
  }
  const codes = ['BAD_SID', 'BAD_PADDING', 'BAD_SIGNATURE', 'BAD_CONTENT'] as const;
  for (const code of codes) texts.add(new CryptoError(code).message);
  expect([...texts]).toEqual(['Authentication tag mismatch']);
  expect(new CryptoError('DUPLICATE').message).toBe('Replay attack detected');
});
