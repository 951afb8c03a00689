/** A hub core without a machine: time, turns and connections are the test's. */
import { AgentKeyPair } from '@agentmesh/crypto';
import {
  acceptHello,
  createAuth,
  createBegin,
  encodeFrame,
  NO_CHANNEL_BINDING,
  ready,
} from '@agentmesh/protocol';
import type { ClientFrame, HubFrame, RandomSource } from '@agentmesh/protocol';
import { coreLimits, HubCore, MemoryHubStore } from '../src/index.js';
import type { CoreLimits, HubHost, HubObserver, HubStore, Link } from '../src/index.js';
import type { ServedConnection } from '../src/index.js';

/** The same bytes for the same seed; one generator of Lehmer's. */
export function seededRandom(seed: number): RandomSource {
  let state = seed + 1;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (state * 48_271) % 0x7fff_ffff;
      return state >>> 8;
    });
}

/** Nothing happens by itself. */
export class StillHost implements HubHost {
  nowMs = 1_700_000_000_000;
  readonly clock = (): number => this.nowMs;
  readonly random = seededRandom(4);
  #tasks: (() => void)[] = [];

  defer(task: () => void): void {
    this.#tasks.push(task);
  }

  every(): () => void {
    return () => undefined;
  }

  /** Runs what was deferred until now, and the promises that follow. */
  async turn(): Promise<void> {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) task();
    // A handful of microtasks: as many as the longest chain of promises in the core.
    for (let hops = 0; hops < 20; hops++) await Promise.resolve();
  }

  /** Runs deferred tasks and promises until there are none. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet = this.#tasks.length === 0 ? quiet + 1 : 0) {
      await this.turn();
    }
  }
}

/** A connection's other end: keeps what it is sent. */
export class FakeLink implements Link {
  readonly frames: HubFrame[] = [];
  closedWith: number | null = null;
  backlog = 0;

  send(frame: HubFrame): void {
    this.frames.push(frame);
  }

  close(code: number): void {
    this.closedWith = code;
  }

  /** Takes all frames of a type. */
  take<T extends HubFrame['type']>(type: T): Extract<HubFrame, { type: T }>[] {
    const found = this.frames.filter(
      (frame): frame is Extract<HubFrame, { type: T }> => frame.type === type,
    );
    const rest = this.frames.filter((frame) => frame.type !== type);
    this.frames.splice(0, this.frames.length, ...rest);
    return found;
  }
}

/** One client of the core. */
export class CoreClient {
  readonly link = new FakeLink();
  readonly connection: ServedConnection;
  readonly #begin = createBegin(new Uint8Array(32).fill(2));
  #lastId = 0;

  /** Connects and begins. */
  constructor(core: HubCore, remote: string | null = null) {
    const channelBinding = NO_CHANNEL_BINDING;
    this.connection = core.connect({ link: this.link, channelBinding, remote });
    this.connection.receive({ ok: true, frame: this.#begin.frame }, this.#begin.text);
  }

  /** Sends a frame; gives the number it has. */
  send(frame: ClientFrame | Omit<ClientFrame, 'id'>): number {
    this.#lastId += 1;
    const numbered = { ...frame, id: this.#lastId } as ClientFrame;
    this.connection.receive({ ok: true, frame: numbered }, '');
    return this.#lastId;
  }

  auth(keyPair: AgentKeyPair, name: string, boot = 1): void {
    const [hello] = this.link.take('hello');
    if (hello === undefined) throw new TypeError('no hello');
    const accepted = acceptHello({
      begin: this.#begin,
      hello: { frame: hello, text: encodeFrame(hello) },
      channelBinding: NO_CHANNEL_BINDING,
      pinnedHubKey: null,
    });
    if (!accepted.ok) throw accepted.error;
    const { frame, text } = createAuth({
      id: 0,
      hub: accepted.value,
      credentials: {
        name,
        identity: keyPair.identity,
        instance: new Uint8Array(16).fill(1),
        boot,
        sign: (bytes) => keyPair.sign(bytes),
      },
      channelBinding: NO_CHANNEL_BINDING,
    });
    this.connection.receive({ ok: true, frame }, text);
  }

  /** Envelopes of 32 bytes, all different. */
  sendTo(
    recipient: AgentKeyPair,
    fill: number,
    { size = 32, after }: { readonly size?: number; readonly after?: number } = {},
  ): number {
    const id = new Uint8Array(16).fill(fill);
    const to = recipient.identity.aid;
    const blob = new Uint8Array(size).fill(fill);
    const order = after === undefined ? {} : { after };
    return this.send({ type: 'send', ...order, envelope: { id, to, ttl: 60, blob } });
  }
}

export interface Bench {
  readonly core: HubCore;
  readonly host: StillHost;
  readonly store: HubStore;
  /** Connects an agent and waits until it is in. */
  readonly join: (keyPair: AgentKeyPair, name: string, boot?: number) => Promise<CoreClient>;
}

const random = seededRandom(99);

await ready();
export const alice = AgentKeyPair.generate(random);
export const bob = AgentKeyPair.generate(random);
export const carol = AgentKeyPair.generate(random);

/** A core over a store. */
export async function bench(
  setup: {
    store?: HubStore;
    limits?: Partial<CoreLimits>;
    observer?: HubObserver;
    isBlocked?: (aid: Uint8Array) => boolean;
  } = {},
): Promise<Bench> {
  const { store = new MemoryHubStore({ random: seededRandom(7) }), limits, ...told } = setup;
  const host = new StillHost();
  const registration = { mode: 'open' } as const;
  const options = { store, host, limits: coreLimits(limits), registration, ...told };
  const core = await HubCore.create(options);
  return {
    core,
    host,
    store,
    async join(keyPair, name, boot) {
      const client = new CoreClient(core);
      client.auth(keyPair, name, boot);
      await host.settle();
      return client;
    },
  };
}
