/**
 * A hub that lies: stands before any other hub and may change whatever passes. Owns one hook per
 * verb and a record of what passed; without hooks it is honest.
 * It can do what a hostile operator can: everything but use the agents' keys.
 */
import { ProtocolError } from '@agentmesh/protocol';
import type {
  AgentPage,
  Bundle,
  Delivery,
  DeliveryNotice,
  Hub,
  HubConnection,
  HubCredentials,
  HubEvents,
  HubSession,
  KeyState,
  OutgoingEnvelope,
  PrekeyUpload,
} from '@agentmesh/protocol';

/** Who asks, and for whom. */
export interface BundleQuestion {
  readonly by: string;
  readonly peer: string;
  readonly oneTime: boolean;
}

/** What the hub does instead of its duty; a hook that throws refuses with its error. */
export interface Deviations {
  /** The session that an agent is told of. */
  session?(session: HubSession, by: string): HubSession;
  /** The bundle that is served: swap keys, serve old ones, keep the one-time prekey. */
  bundle?(bundle: Bundle, question: BundleQuestion): Bundle | Promise<Bundle>;
  /** What is stored of an envelope that was sent; none: it is dropped and answered as stored. */
  send?(envelope: OutgoingEnvelope, by: string): readonly OutgoingEnvelope[];
  /** What an agent gets instead of a delivery: nothing, others, several, in another order. */
  deliver?(delivery: Delivery, to: string): readonly Delivery[];
  notice?(notice: DeliveryNotice, to: string): readonly DeliveryNotice[];
  /** The answer to an upload of keys. */
  keys?(state: KeyState, by: string): KeyState;
  putIdentity?(record: Uint8Array, by: string): Uint8Array;
  putPrekeys?(keys: PrekeyUpload, by: string): PrekeyUpload;
  putRevocation?(revocation: Uint8Array, by: string): Uint8Array;
  list?(page: AgentPage, by: string): AgentPage;
  /** Acknowledgements that pass. */
  ack?(seqs: readonly number[], by: string): readonly number[];
}

/** What passed, before any deviation. */
export interface Passed {
  readonly sent: { readonly by: string; readonly envelope: OutgoingEnvelope }[];
  readonly delivered: { readonly to: string; readonly delivery: Delivery }[];
  readonly served: (BundleQuestion & { readonly bundle: Bundle })[];
}

/** Far above what a real queue reaches, so that an invented delivery hides no real one. */
const FIRST_INVENTED_SEQ = 2 ** 40;

/** Wraps a hub. Set `deviations` at any time; they hold for what passes from then on. */
export class MaliciousHub implements Hub {
  deviations: Deviations;
  readonly passed: Passed = { sent: [], delivered: [], served: [] };
  readonly #inner: Hub;
  readonly #listeners = new Map<string, HubEvents>();
  #inventedSeq = FIRST_INVENTED_SEQ;

  constructor(inner: Hub, deviations: Deviations = {}) {
    this.#inner = inner;
    this.deviations = deviations;
  }

  async connect(credentials: HubCredentials, events: HubEvents): Promise<HubConnection> {
    const { name } = credentials;
    const connection = await this.#inner.connect(credentials, this.#bent(name, events));
    this.#listeners.set(name, events);
    return new BentConnection(this, connection, name);
  }

  async close(): Promise<void> {
    await this.#inner.close?.();
  }

  /** Pushes anything to a connected agent: replayed, invented, corrupted, from anyone. */
  inject(to: string, delivery: Omit<Delivery, 'seq' | 'attempt'> & Partial<Delivery>): void {
    this.#inventedSeq += 1;
    const events = this.#listeners.get(to);
    if (events === undefined) throw new ProtocolError('PEER_NOT_FOUND');
    events.deliver({ seq: this.#inventedSeq, attempt: 1, ...delivery });
  }

  /** Tells a connected agent anything about an envelope of its own. */
  injectNotice(to: string, notice: DeliveryNotice): void {
    this.#listeners.get(to)?.notice(notice);
  }

  #bent(name: string, events: HubEvents): HubEvents {
    return {
      authenticated: (session) => {
        events.authenticated(this.deviations.session?.(session, name) ?? session);
      },
      deliver: (delivery) => {
        this.passed.delivered.push({ to: name, delivery });
        const instead = this.deviations.deliver?.(delivery, name) ?? [delivery];
        for (const one of instead) events.deliver(one);
      },
      notice: (notice) => {
        const instead = this.deviations.notice?.(notice, name) ?? [notice];
        for (const one of instead) events.notice(one);
      },
      down: (error) => events.down(error),
      closed: (error) => {
        this.#listeners.delete(name);
        events.closed(error);
      },
    };
  }
}

/** One agent's connection through a {@link MaliciousHub}. */
class BentConnection implements HubConnection {
  readonly #hub: MaliciousHub;
  readonly #inner: HubConnection;
  readonly #name: string;

  constructor(hub: MaliciousHub, inner: HubConnection, name: string) {
    this.#hub = hub;
    this.#inner = inner;
    this.#name = name;
  }

  get session(): HubSession {
    const { session } = this.#inner;
    return this.#hub.deviations.session?.(session, this.#name) ?? session;
  }

  async putIdentity(record: Uint8Array): Promise<KeyState> {
    const { deviations } = this.#hub;
    const instead = deviations.putIdentity?.(record, this.#name) ?? record;
    return this.#bentKeys(await this.#inner.putIdentity(instead));
  }

  async putPrekeys(keys: PrekeyUpload): Promise<KeyState> {
    const { deviations } = this.#hub;
    const instead = deviations.putPrekeys?.(keys, this.#name) ?? keys;
    return this.#bentKeys(await this.#inner.putPrekeys(instead));
  }

  async putRevocation(revocation: Uint8Array): Promise<void> {
    const { deviations } = this.#hub;
    await this.#inner.putRevocation(
      deviations.putRevocation?.(revocation, this.#name) ?? revocation,
    );
  }

  async getBundle(peer: string, options: { readonly oneTime: boolean }): Promise<Bundle> {
    const question = { by: this.#name, peer, oneTime: options.oneTime };
    const bundle = await this.#inner.getBundle(peer, options);
    this.#hub.passed.served.push({ ...question, bundle });
    return (await this.#hub.deviations.bundle?.(bundle, question)) ?? bundle;
  }

  async send(envelope: OutgoingEnvelope): Promise<{ seq: number; duplicate: boolean }> {
    this.#hub.passed.sent.push({ by: this.#name, envelope });
    const instead = this.#hub.deviations.send?.(envelope, this.#name) ?? [envelope];
    const answers = await Promise.all(instead.map((one) => this.#inner.send(one)));
    return answers[0] ?? { seq: FIRST_INVENTED_SEQ, duplicate: false };
  }

  ack(seqs: readonly number[]): void {
    const instead = this.#hub.deviations.ack?.(seqs, this.#name) ?? seqs;
    const real = instead.filter((seq) => seq < FIRST_INVENTED_SEQ);
    if (real.length > 0) this.#inner.ack(real);
  }

  nack(refusal: Parameters<HubConnection['nack']>[0]): void {
    if (refusal.seq < FIRST_INVENTED_SEQ) this.#inner.nack(refusal);
  }

  credit(grant: Parameters<HubConnection['credit']>[0]): void {
    this.#inner.credit(grant);
  }

  async list(query: Parameters<HubConnection['list']>[0]): Promise<AgentPage> {
    const page = await this.#inner.list(query);
    return this.#hub.deviations.list?.(page, this.#name) ?? page;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #bentKeys(state: KeyState): KeyState {
    return this.#hub.deviations.keys?.(state, this.#name) ?? state;
  }
}
