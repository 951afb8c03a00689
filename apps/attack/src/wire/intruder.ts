/**
 * A hostile agent: keys of its own, and full control over what is said with them, to the hub and
 * end to end. Owns the making of records, sessions and messages; whether anybody falls for them,
 * the attacks say.
 */
import {
  AgentKeyPair,
  CONTENT_KIND,
  createIdentityRecord,
  createPrekey,
  encodeContent,
  performKeyExchange,
  seal,
  systemRandom,
  verifyBundle,
} from '@agentmesh/crypto';
import type { Bundle, Content, CryptoSession } from '@agentmesh/crypto';
import type { HubCredentials, HubFrame } from '@agentmesh/protocol';
import { CannotTry, NotHere } from '../attack.js';
import type { Target } from '../target.js';
import { Wire, wordOf } from './wire.js';

const DAY_MS = 86_400_000;

/** One hostile identity on one connection. */
export class Intruder {
  readonly name: string;
  readonly keyPair: AgentKeyPair;
  readonly wire: Wire;
  readonly hubId: Uint8Array;
  readonly instance = systemRandom(16);
  #session: CryptoSession | null = null;
  #to: { readonly name: string; readonly aid: Uint8Array } | null = null;
  #number = 0;

  private constructor(parts: {
    readonly name: string;
    readonly keyPair: AgentKeyPair;
    readonly wire: Wire;
    readonly hubId: Uint8Array;
  }) {
    this.name = parts.name;
    this.keyPair = parts.keyPair;
    this.wire = parts.wire;
    this.hubId = parts.hubId;
  }

  /** Registers at a hub; NotHere where the hub does not register it. */
  static async at(
    target: Target,
    name: string,
    keyPair = AgentKeyPair.generate(),
  ): Promise<Intruder> {
    const wire = await Wire.open(target);
    const hub = await wire.begin();
    const credentials = credentialsOf(keyPair, name, target.token);
    const word = wordOf(await wire.authenticate(wire.authFor(hub, credentials)));
    if (word === 'auth_ok') return new Intruder({ name, keyPair, wire, hubId: hub.hubId });
    wire.end();
    if (word === 'REGISTRATION_REFUSED')
      throw new NotHere('the hub registers nobody: give --token');
    throw new CannotTry(`the hub does not let an agent in: ${word}`);
  }

  /**
   * Publishes its record and a signed prekey, so that others can look it up, and one-time prekeys
   * beside it; gives the hub's answer to the prekeys.
   */
  async publish(oneTimePrekeys = 0): Promise<string> {
    const createdMs = Date.now();
    const { keyPair, name, hubId } = this;
    const validUntilMs = createdMs + 30 * DAY_MS;
    const record = createIdentityRecord({
      keyPair,
      name,
      hubId,
      createdMs,
      validUntilMs,
      revision: 1,
    });
    const expiresMs = createdMs + 9 * DAY_MS;
    const random = systemRandom;
    const signed = createPrekey({ keyPair, kind: 'signed', id: 1, createdMs, expiresMs, random });
    await this.wire.ask({ type: 'put_identity', record });
    const oneTime = Array.from({ length: oneTimePrekeys }, (_, at) => {
      const made = createPrekey({
        keyPair,
        kind: 'one-time',
        id: at + 2,
        createdMs,
        expiresMs,
        random,
      });
      return made.record.bytes;
    });
    return this.wire.wordFor({ type: 'put_prekeys', signed: [signed.record.bytes], oneTime });
  }

  /** Begins a session with an agent of the hub. */
  async begin(peer: string, generation = 1): Promise<void> {
    const reply = await this.wire.ask({ type: 'get_bundle', peer, oneTime: false });
    if (reply === 'closed' || reply.type !== 'bundle') {
      throw new CannotTry(`no bundle of ${peer}: ${wordOf(reply)}`);
    }
    this.beginWith(bundleIn(reply), peer, generation);
  }

  /** Begins a session from a bundle. */
  beginWith(bundle: Bundle, name: string, generation = 1): void {
    const { keyPair, hubId } = this;
    const verified = verifyBundle(bundle, { name, hubId, nowMs: Date.now() });
    const random = systemRandom;
    this.#session = performKeyExchange({ keyPair, bundle: verified, generation, random });
    this.#to = { name, aid: verified.record.identity.aid };
  }

  /** A sealed message; fields that are not given are plausible. */
  seal(text: string, fields: Partial<Content> = {}): Uint8Array {
    if (this.#session === null || this.#to === null) throw new CannotTry('no session was begun');
    this.#number += 1;
    const content = encodeContent({
      kind: CONTENT_KIND.application,
      msgId: systemRandom(16),
      sentAtMs: Date.now(),
      convSeq: this.#number,
      peerAck: 0,
      instance: this.instance,
      boot: 1,
      logSize: 0,
      logHead: new Uint8Array(32),
      fromName: this.name,
      toName: this.#to.name,
      body: new TextEncoder().encode(JSON.stringify({ type: 'message', text })),
      ...fields,
    });
    const { keyPair } = this;
    const sealed = seal({ session: this.#session, keyPair, content, random: systemRandom });
    this.#session = sealed.session;
    return sealed.wire;
  }

  /** Posts bytes to the peer of the session, or to another; gives the hub's answer. */
  async post(blob: Uint8Array, to = this.#to?.aid): Promise<string> {
    if (to === undefined) throw new CannotTry('no session was begun');
    const envelope = { id: systemRandom(16), to, ttl: 3_600, blob };
    return this.wire.wordFor({ type: 'send', envelope });
  }

  end(): void {
    this.wire.end();
  }
}

/** What these keys show to a hub. */
export function credentialsOf(
  keyPair: AgentKeyPair,
  name: string,
  token: string | null,
): HubCredentials {
  return {
    name,
    identity: keyPair.identity,
    instance: systemRandom(16),
    boot: 1,
    sign: (bytes) => keyPair.sign(bytes),
    ...(token === null ? {} : { token }),
  };
}

function bundleIn({ record, signed, oneTime }: Extract<HubFrame, { type: 'bundle' }>): Bundle {
  return { record, ...(signed && { signed }), ...(oneTime && { oneTime }) };
}
