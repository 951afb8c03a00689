/**
 * The prekey block of a first message in other hands: its fields by offset, and the session id that
 * belongs to changed fields, computed from protocol.md §2.3 again (it takes public values only, so
 * whoever tampers can do it too).
 */
import { createHash } from 'node:crypto';
import type { TestAgent } from './two-agents.js';

/** Offset and length of each field in the message (protocol.md §2.5). */
export const FIELD = {
  sid: [4, 16],
  generation: [76, 4],
  signedPrekeyId: [80, 4],
  oneTimePrekeyId: [84, 4],
  ephemeral: [88, 32],
  ciphertext: [120, 1088],
  signing: [1208, 32],
  dh: [1240, 32],
} as const;

type Field = keyof typeof FIELD;

export function fieldOf(wire: Uint8Array, field: Field): Uint8Array {
  const [at, length] = FIELD[field];
  return wire.slice(at, at + length);
}

/** The message with other bytes in some fields; the sid stays as it was. */
export function withFields(
  wire: Uint8Array,
  fields: { readonly [Name in Field]?: Uint8Array },
): Uint8Array {
  const changed = new Uint8Array(wire);
  for (const [name, bytes] of Object.entries(fields) as [Field, Uint8Array][]) {
    const [at, length] = FIELD[name];
    if (bytes.length !== length) throw new TypeError(`${name} has ${length} bytes`);
    changed.set(bytes, at);
  }
  return changed;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

const sha256 = (...parts: readonly (Uint8Array | string)[]): Uint8Array => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

/** The sid that the responder will compute for this block. */
export function sidFor(wire: Uint8Array, responder: TestAgent): Uint8Array {
  const get = (name: Field) => fieldOf(wire, name);
  const { signed, oneTime } = responder;
  const usesOneTime = get('oneTimePrekeyId').some((byte) => byte !== 0);
  const initiator = sha256('AgentMesh/2 aid\0', get('signing'), get('dh'));
  const transcript = sha256(
    'AgentMesh/2 handshake\0',
    Uint8Array.of(2, 0, 1),
    initiator,
    responder.keyPair.identity.aid,
    get('generation'),
    get('ephemeral'),
    u32(signed.record.id),
    signed.record.dh,
    usesOneTime ? u32(oneTime.record.id) : u32(0),
    usesOneTime ? oneTime.record.dh : new Uint8Array(32),
    (usesOneTime ? oneTime : signed).record.kem,
    get('ciphertext'),
  );
  return sha256('AgentMesh/2 sid\0', transcript).slice(0, 16);
}

/** The message under the sid that belongs to its block as it is now. */
export function withRightSid(wire: Uint8Array, responder: TestAgent): Uint8Array {
  return withFields(wire, { sid: sidFor(wire, responder) });
}
