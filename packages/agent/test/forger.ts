/**
 * What a hostile peer or hub can make with keys of its own: bundles under any name, messages with
 * any content. Owns the making; whether an agent falls for it, the tests say.
 */
import {
  CONTENT_KIND,
  createIdentityRecord,
  createPrekey,
  encodeContent,
  parseIdentityRecord,
  performKeyExchange,
  seal,
  systemRandom,
  verifyBundle,
} from '@agentmesh/crypto';
import type { AgentKeyPair, Bundle, Content, CryptoSession } from '@agentmesh/crypto';
import { encodePayload } from '@agentmesh/protocol';
import type { Resident, World } from './world.js';

const DAY_MS = 86_400_000;
const random = systemRandom;

/** A bundle that is valid in every respect, of these keys, under this name. */
export function bundleOf(
  keyPair: AgentKeyPair,
  { name, hubId, nowMs }: { name: string; hubId: Uint8Array; nowMs: number },
): Bundle {
  const expiresMs = nowMs + 9 * DAY_MS;
  const common = { keyPair, createdMs: nowMs, expiresMs, random };
  const record = createIdentityRecord({
    keyPair,
    name,
    hubId,
    createdMs: nowMs,
    validUntilMs: nowMs + 90 * DAY_MS,
    revision: 1,
  });
  return {
    record,
    signed: createPrekey({ ...common, kind: 'signed', id: 1 }).record.bytes,
    oneTime: createPrekey({ ...common, kind: 'one-time', id: 2 }).record.bytes,
  };
}

/** The id of the hub that a bundle was served by. */
export function hubIdOfBundle({ record }: Bundle): Uint8Array {
  return parseIdentityRecord(record).hubId;
}

/** One end of a session that says whatever it likes. */
export class Forger {
  readonly keyPair: AgentKeyPair;
  readonly instance = random(16);
  #session: CryptoSession;
  #number = 0;

  /** Begins a session with the owner of a bundle. */
  constructor(keyPair: AgentKeyPair, victim: Bundle, nowMs: number, generation = 1) {
    this.keyPair = keyPair;
    const { name, hubId } = parseIdentityRecord(victim.record);
    const bundle = verifyBundle(victim, { name, hubId, nowMs });
    this.#session = performKeyExchange({ keyPair, bundle, generation, random });
  }

  get aid(): Uint8Array {
    return this.keyPair.identity.aid;
  }

  /** A sealed message; fields not given are plausible. */
  say(fields: Partial<Content> & Pick<Content, 'fromName' | 'toName' | 'sentAtMs'>): Uint8Array {
    this.#number += 1;
    const content = encodeContent({
      kind: CONTENT_KIND.application,
      msgId: random(16),
      convSeq: this.#number,
      peerAck: 0,
      instance: this.instance,
      boot: 1,
      logSize: 0,
      logHead: new Uint8Array(32),
      body: encodePayload({ type: 'message', text: 'forged' }),
      ...fields,
    });
    return this.sealBytes(content);
  }

  /** Content bytes of anybody, under our signature. */
  sealBytes(content: Uint8Array): Uint8Array {
    const { keyPair } = this;
    const sealed = seal({ session: this.#session, keyPair, content, random });
    this.#session = sealed.session;
    return sealed.wire;
  }
}

/** A session with an agent, in the keys of a peer to whom the hub has served its bundle. */
export function forgerTo(world: World, { keyPair }: Resident, victim: string): Forger {
  const { bundle } = world.hub.passed.served.findLast(({ peer }) => peer === victim) ?? {};
  if (bundle === undefined) throw new Error(`no bundle of ${victim} was served`);
  return new Forger(keyPair, { ...bundle, oneTime: undefined }, world.host.clock(), 9);
}

/** What a hub delivers: a blob with the sender that it claims. */
export function envelopeTo({ keyPair }: Resident, from: Uint8Array, blob: Uint8Array) {
  const to = keyPair.identity.aid;
  return { envelope: { id: new Uint8Array(16), from, to, ts: 0, blob } };
}

/** The same bytes with one bit changed. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice();
  const at = (bit >>> 3) % copy.length;
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7));
  return copy;
}
