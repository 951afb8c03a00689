/** Arbitrary valid frames of every type, for property tests. */
import fc from 'fast-check';
import type { ClientFrame } from '../src/client-frames.js';
import type { HubFrame } from '../src/hub-frames.js';
import { bytesOfLength } from './seed.js';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const time = fc.maxSafeNat();
const seq = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const bytes16 = bytesOfLength(16);
const bytes32 = bytesOfLength(32);
const prekey = fc.integer({ min: 0, max: 255 }).map((byte) => new Uint8Array(1337).fill(byte));
const blob = fc.oneof(
  bytesOfLength(1, 300),
  fc.integer({ min: 1, max: 2_000 }).map((length) => new Uint8Array(length).fill(length)),
);
const name = fc
  .stringMatching(/^[a-z0-9][a-z0-9._-]{0,63}$/)
  .filter((text) => !/^am2[a-z2-7]{52}$/.test(text));
const address = fc.constant('am25qmge5esgqxkfgsutlebznwfc73hrzgvk5slikfoxmjw2dhbtccq');
const code = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,20}$/);
const cursor = fc.stringMatching(/^[\w.-]{1,128}$/);

/** A record as JSON.parse makes it. */
function plain<Fields extends object>(fields: {
  [Key in keyof Fields]: fc.Arbitrary<Fields[Key]>;
}): fc.Arbitrary<Fields> {
  return fc.record<Fields>(fields).map((record) => ({ ...record }));
}

function frame<const Type extends string, Fields extends object>(
  type: Type,
  fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> },
  optional: readonly (keyof Fields)[] = [],
): fc.Arbitrary<Fields & { type: Type }> {
  const requiredKeys = (Object.keys(fields) as (keyof Fields)[]).filter(
    (key) => !optional.includes(key),
  );
  return fc
    .record(fields as never, { requiredKeys: requiredKeys as never[], noNullPrototype: true })
    .map((record) => ({ type, ...(record as Fields) }));
}

const features = fc.array(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/), { maxLength: 32 });

const send = {
  id: u32,
  envelope: plain({ id: bytes16, to: bytes32, ttl: fc.integer({ min: 1, max: 2_592_000 }), blob }),
};

export const anyClientFrame: fc.Arbitrary<ClientFrame> = fc.oneof(
  frame('begin', {
    versions: fc.array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 16 }),
    features,
    clientNonce: bytes32,
  }),
  frame(
    'auth',
    {
      id: u32,
      name,
      identityKey: bytes32,
      exchangeKey: bytes32,
      instance: bytes16,
      boot: u32,
      channelBinding: fc.constantFrom(0 as const, 1 as const, 2 as const),
      token: fc.stringMatching(/^[\x21-\x7e]{1,512}$/),
      signature: bytesOfLength(64),
    },
    ['token'],
  ),
  frame('put_identity', { id: u32, record: bytesOfLength(1, 350) }),
  frame(
    'put_prekeys',
    {
      id: u32,
      signed: fc.array(prekey, { maxLength: 2 }),
      oneTime: fc.array(prekey, { maxLength: 1 }),
      replaceAll: fc.boolean(),
    },
    ['replaceAll'],
  ),
  frame('put_revocation', { id: u32, revocation: bytesOfLength(110) }),
  frame('get_bundle', { id: u32, peer: fc.oneof(name, address), oneTime: fc.boolean() }),
  frame('send', send),
  frame('send_many', { sends: fc.array(plain(send), { minLength: 1, maxLength: 3 }) }),
  frame('ack', { seqs: fc.array(seq, { minLength: 1, maxLength: 50 }) }),
  frame('nack', { seq, delay: fc.integer({ min: 0, max: 86_400_000 }), reason: code }),
  frame('credit', {
    messages: fc.integer({ min: 0, max: 10_000 }),
    bytes: fc.integer({ min: 0, max: 268_435_456 }),
  }),
  frame(
    'list',
    {
      id: u32,
      prefix: fc.stringMatching(/^[a-z0-9._-]{0,64}$/),
      cursor,
      max: fc.integer({ min: 1, max: 1_000 }),
    },
    ['prefix', 'cursor', 'max'],
  ),
  frame('ping', { id: u32 }),
);

const lastSeen = fc.oneof(
  plain({ lastInstance: fc.constant(null), lastBoot: fc.constant(null) }),
  plain({ lastInstance: bytes16, lastBoot: u32 }),
);
const history = fc.oneof(
  plain({}),
  plain({ store: bytes16, timelines: fc.array(bytes16, { minLength: 1, maxLength: 8 }) }),
);
const authOk = fc
  .tuple(
    frame('auth_ok', {
      re: u32,
      signature: bytesOfLength(64),
      keyDigest: fc.option(bytes32),
      oneTimePrekeys: fc.integer({ min: 0, max: 100 }),
      queued: u32,
    }),
    lastSeen,
    history,
  )
  .map(([fields, last, told]) => ({ ...fields, ...last, ...told }));

const sent = { re: u32, seq, duplicate: fc.boolean() };
const deliver = {
  seq,
  attempt: fc.integer({ min: 1, max: 20 }),
  envelope: plain({
    v: fc.constant(2 as const),
    id: bytes16,
    from: bytes32,
    to: bytes32,
    ts: time,
    blob,
  }),
};

export const anyHubFrame: fc.Arbitrary<HubFrame> = fc.oneof(
  frame('hello', {
    version: fc.integer({ min: 1, max: 255 }),
    features,
    hubKey: bytes32,
    serverNonce: bytes32,
    time,
    limits: plain({
      blobBytes: fc.integer({ min: 1, max: 1_048_576 }),
      ttlSeconds: fc.integer({ min: 1, max: 2_592_000 }),
      inFlight: fc.integer({ min: 1, max: 1_000 }),
      signedPrekeys: fc.integer({ min: 1, max: 2 }),
      oneTimePrekeys: fc.integer({ min: 0, max: 100 }),
      perSecond: fc.integer({ min: 1, max: 100 }),
      burst: fc.integer({ min: 1, max: 500 }),
      bytesPerSecond: fc.integer({ min: 1, max: 16_777_216 }),
      requestsPerSecond: fc.integer({ min: 1, max: 100 }),
      requestBurst: fc.integer({ min: 1, max: 500 }),
      pending: fc.integer({ min: 1, max: 64 }),
    }),
    proof: bytesOfLength(64),
  }),
  authOk,
  frame('ok', {
    re: u32,
    oneTimePrekeys: fc.integer({ min: 0, max: 100 }),
    keyDigest: fc.option(bytes32),
  }),
  frame(
    'bundle',
    {
      re: u32,
      record: bytesOfLength(1, 350),
      signed: prekey,
      oneTime: prekey,
      revocation: bytesOfLength(110),
    },
    ['signed', 'oneTime', 'revocation'],
  ),
  frame('sent', sent),
  frame('sent_many', { sents: fc.array(plain(sent), { minLength: 1, maxLength: 3 }) }),
  frame('agents', {
    re: u32,
    names: fc.array(name, { maxLength: 20 }),
    next: fc.option(cursor),
  }),
  frame('pong', { re: u32 }),
  frame('deliver', deliver),
  frame('deliver_many', {
    deliveries: fc.array(plain(deliver), { minLength: 1, maxLength: 3 }),
  }),
  frame('notice', {
    id: bytes16,
    what: fc.constantFrom('expired' as const, 'dead_lettered' as const),
  }),
  frame('bye', { code, signature: bytesOfLength(64) }, ['signature']),
  frame(
    'error',
    {
      re: u32,
      code,
      message: fc.stringMatching(/^[\x20-\x7e]{0,300}$/),
      retryAfter: fc.integer({ min: 0, max: 86_400_000 }),
      signature: bytesOfLength(64),
    },
    ['re', 'retryAfter', 'signature'],
  ),
);
