/**
 * An agent as a hub knows it: keys, records and an instance, and nothing that could read a message.
 * Owns the making of valid records; a test that wants bad ones changes their bytes.
 */
import {
  AgentKeyPair,
  createIdentityRecord,
  createPrekey,
  createRevocation,
  REVOCATION_REASON,
} from '@agentmesh/crypto';
import type { HubCredentials, RandomSource } from '@agentmesh/protocol';

const DAY_MS = 86_400_000;

/** What a record is made for. */
export interface RecordWish {
  readonly hubId: Uint8Array;
  readonly nowMs: number;
  readonly name?: string;
  readonly revision?: number;
  readonly validForMs?: number;
  /** Signs as the predecessor. */
  readonly previous?: TestAgent;
}

/** One identity under one name. */
export class TestAgent {
  readonly name: string;
  readonly keyPair: AgentKeyPair;
  readonly instance: Uint8Array;
  readonly #random: RandomSource;
  boot = 1;

  constructor(name: string, random: RandomSource) {
    this.name = name;
    this.#random = random;
    this.keyPair = AgentKeyPair.generate(random);
    this.instance = random(16);
  }

  get aid(): Uint8Array {
    return this.keyPair.identity.aid;
  }

  get address(): string {
    return this.keyPair.address;
  }

  credentials(changes: Partial<HubCredentials> = {}): HubCredentials {
    const { name, instance, boot, keyPair } = this;
    const sign = (bytes: Uint8Array): Uint8Array => keyPair.sign(bytes);
    return { name, identity: keyPair.identity, instance, boot, sign, ...changes };
  }

  record(wish: RecordWish): Uint8Array {
    const { hubId, nowMs, name = this.name, revision = 1, validForMs = 90 * DAY_MS } = wish;
    return createIdentityRecord({
      keyPair: this.keyPair,
      name,
      hubId,
      createdMs: nowMs,
      validUntilMs: nowMs + validForMs,
      revision,
      ...(wish.previous === undefined ? {} : { previous: wish.previous.keyPair }),
    });
  }

  revocation(timeMs: number): Uint8Array {
    return createRevocation(this.keyPair, { timeMs, reason: REVOCATION_REASON.keyCompromised });
  }

  signedPrekey(id: number, nowMs: number, validForMs = 9 * DAY_MS): Uint8Array {
    return this.#prekey('signed', id, { nowMs, validForMs });
  }

  oneTimePrekey(id: number, nowMs: number, validForMs = 30 * DAY_MS): Uint8Array {
    return this.#prekey('one-time', id, { nowMs, validForMs });
  }

  /** One-time prekeys with ids from `first` on. */
  oneTimePrekeys(count: number, nowMs: number, first = 1): Uint8Array[] {
    return Array.from({ length: count }, (_, at) => this.oneTimePrekey(first + at, nowMs));
  }

  #prekey(
    kind: 'signed' | 'one-time',
    id: number,
    { nowMs, validForMs }: { nowMs: number; validForMs: number },
  ): Uint8Array {
    const expiresMs = nowMs + validForMs;
    const { keyPair } = this;
    const random = this.#random;
    return createPrekey({ keyPair, kind, id, createdMs: nowMs, expiresMs, random }).record.bytes;
  }
}
