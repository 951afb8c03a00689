/**
 * An identity that connects to hubs for a measurement, below the agent: nothing is encrypted, so
 * that the hubs and NATS are measured and not the cryptography. Owns one connection.
 */
import { AgentKeyPair } from '@agentmesh/crypto';
import type { Hub, NetworkHub } from 'agentmesh';

type Connection = Awaited<ReturnType<Hub['connect']>>;

/** What was pushed, as it comes. */
export type OnDelivery = (id: Uint8Array) => void;

const TTL_SECONDS = 3_600;
const ID_BYTES = 16;
let made = 0;

/** Acknowledges all that it is given. */
export class Member {
  readonly name: string;
  readonly keyPair = AgentKeyPair.generate();
  onDelivery: OnDelivery = () => undefined;
  /** Called when the connection is lost, and when it is there again. */
  onLost: () => void = () => undefined;
  onRestored: () => void = () => undefined;
  #connection: Connection | null = null;
  #sent = 0;

  constructor() {
    made += 1;
    this.name = `measured-${made}`;
  }

  get aid(): Uint8Array {
    return this.keyPair.identity.aid;
  }

  async connect(hub: NetworkHub): Promise<void> {
    const { name, keyPair } = this;
    const sign = (bytes: Uint8Array): Uint8Array => keyPair.sign(bytes);
    const instance = keyPair.identity.aid.slice(0, ID_BYTES);
    const shown = { name, identity: keyPair.identity, instance, boot: 1, sign };
    const connection: Connection = await hub.connect(shown, {
      authenticated: () => this.onRestored(),
      deliver: ({ seq, envelope }) => {
        connection.ack([seq]);
        connection.credit({ messages: 1, bytes: envelope.blob.length });
        this.onDelivery(envelope.id);
      },
      notice: () => undefined,
      down: () => this.onLost(),
      closed: () => undefined,
    });
    this.#connection = connection;
  }

  /** Resolves when the hub says that it has the envelope durably. */
  async send(to: Member, blob: Uint8Array): Promise<Uint8Array> {
    const id = this.aid.slice(0, ID_BYTES);
    new DataView(id.buffer).setUint32(0, (this.#sent += 1));
    await this.#connection?.send({ id, to: to.aid, ttlSeconds: TTL_SECONDS, blob });
    return id;
  }

  async disconnect(): Promise<void> {
    await this.#connection?.close();
    this.#connection = null;
  }
}
