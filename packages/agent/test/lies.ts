/**
 * How a hub may deviate from its duty, verb by verb: what it does from then on. Owns the list; the
 * hub that does it is `MaliciousHub`, which has no agent's keys.
 */
import { ProtocolError } from '@agentmesh/protocol';
import type { Deviations, MaliciousHub } from '@agentmesh/hub-compliance';

type Passed = MaliciousHub['passed'];
type Make = (passed: Passed) => Deviations;

/** The same bytes but for one bit; nothing stays nothing. */
function flipped(bytes: Uint8Array = new Uint8Array()): Uint8Array {
  const at = bytes.length >>> 1;
  return bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
}

function refuses(code: 'STORAGE' | 'UNKNOWN_RECIPIENT'): Deviations {
  return {
    send: () => {
      throw new ProtocolError(code);
    },
  };
}

/** Made anew for each use: what passed until then is what old things are taken from. */
export const LIES = {
  'session: a later boot': () => ({
    session: (session) => ({ ...session, lastBoot: (session.lastBoot ?? 0) + 9_999 }),
  }),
  'session: other keys': () => ({
    session: (session) => ({ ...session, keyDigest: null, oneTimePrekeys: 0 }),
  }),
  'bundle: of another': ({ served }) => ({
    bundle: (bundle, { peer }) => served.find((one) => one.peer !== peer)?.bundle ?? bundle,
  }),
  'bundle: an old one': ({ served }) => ({
    bundle: (bundle, { peer }) => served.find((one) => one.peer === peer)?.bundle ?? bundle,
  }),
  'bundle: no one-time prekey': () => ({
    bundle: ({ oneTime: _kept, ...rest }) => rest,
  }),
  'bundle: a flipped bit': () => ({
    bundle: (bundle) => ({ ...bundle, signed: flipped(bundle.signed) }),
  }),
  'bundle: none': () => ({
    bundle: () => {
      throw new ProtocolError('PEER_NOT_FOUND');
    },
  }),
  'send: drops': () => ({ send: () => [] }),
  'send: stores twice': () => ({
    send: (envelope) => [envelope, { ...envelope, id: flipped(envelope.id) }],
  }),
  'send: another blob': ({ sent }) => ({
    send: (envelope) => [{ ...envelope, blob: sent[0]?.envelope.blob ?? envelope.blob }],
  }),
  'send: to another': ({ sent }) => ({
    send: (envelope) => [{ ...envelope, to: sent[0]?.envelope.to ?? envelope.to }],
  }),
  'send: a flipped bit': () => ({
    send: (envelope) => [{ ...envelope, blob: flipped(envelope.blob) }],
  }),
  'send: refuses for now': () => refuses('STORAGE'),
  'send: refuses for good': () => refuses('UNKNOWN_RECIPIENT'),
  'deliver: nothing': () => ({ deliver: () => [] }),
  'deliver: twice': () => ({ deliver: (delivery) => [delivery, delivery] }),
  'deliver: from another': ({ delivered }) => ({
    deliver: (delivery) => {
      const from = delivered[0]?.delivery.envelope.from ?? delivery.envelope.from;
      return [{ ...delivery, envelope: { ...delivery.envelope, from } }];
    },
  }),
  'deliver: a flipped bit': () => ({
    deliver: (delivery) => {
      const { envelope } = delivery;
      return [{ ...delivery, envelope: { ...envelope, blob: flipped(envelope.blob) } }];
    },
  }),
  'deliver: an old one first': ({ delivered }) => ({
    deliver: (delivery) => {
      const old = delivered[0]?.delivery;
      return old === undefined ? [delivery] : [{ ...old, seq: delivery.seq }, delivery];
    },
  }),
  'notice: none': () => ({ notice: () => [] }),
  'keys: wrong': () => ({
    keys: (state) => ({ ...state, oneTimePrekeys: 0, keyDigest: new Uint8Array(32) }),
  }),
  'putPrekeys: keeps none': () => ({
    putPrekeys: () => ({ signed: [], oneTime: [] }),
  }),
  'list: nobody': () => ({ list: () => ({ names: [], next: null }) }),
  'ack: forgets nothing': () => ({ ack: () => [] }),
} as const satisfies Readonly<Record<string, Make>>;

/** One way to lie. */
export type Lie = keyof typeof LIES;
