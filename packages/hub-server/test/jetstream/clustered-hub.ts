/**
 * Hubs over one store in NATS in the shape that the suite of hub-compliance wants: agents are
 * spread over them in turn. The clock is the test's, sockets and NATS are real.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualHost } from '@agentmesh/hub-compliance';
import type { HubSetup, HubUnderTest } from '@agentmesh/hub-compliance';
import type { HubStore } from '@agentmesh/hub-local';
import { jetstreamManager } from '@nats-io/jetstream';
import type { JetStreamManager } from '@nats-io/jetstream';
import { connect as connectNats } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { NetworkHubServer } from '../../src/index.js';
import { Layout, streamSettings } from '../../src/jetstream/layout.js';
import { JetStreamHubStore } from '../../src/jetstream.js';
import type { JetStreamHubStoreOptions } from '../../src/jetstream.js';
import { certificate, connect } from '../served-hub.js';
import { openSocket } from '../socket-client.js';

/** Time for bytes to pass through the kernel, and for a hint to pass through NATS. */
const WIRE_MS = 3;
const QUIET_LOOKS = 2;

/** Rests when no hub waits for NATS any more. */
class ClusterHost extends ManualHost {
  calls = 0;

  override async rest(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_LOOKS; quiet++) {
      await super.rest();
      await new Promise((resolve) => {
        setTimeout(resolve, WIRE_MS);
      });
      if (this.calls > 0) quiet = -1;
    }
    await super.rest();
  }

  /** The same store, with its calls counted while they are open. */
  counted(store: HubStore): HubStore {
    return new Proxy(store, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => {
          this.calls += 1;
          const result = Reflect.apply(value, target, args) as Promise<unknown>;
          return result.finally(() => (this.calls -= 1));
        };
      },
    });
  }
}

/** Where the hubs are, and how many. */
export interface ClusterPlan {
  readonly streams: SharedStreams;
  readonly hubs: number;
}

const PREFIX = 'suite';
const SHARDS = 1;
const PATIENCE_MS = 20_000;
const layout = new Layout(PREFIX, SHARDS);
const plans = [layout.metaPlan, ...layout.plans];

/** What a port limits for itself: such a test is about one of the hubs. */
const OF_ONE_DOOR = ['connections', 'preAuthConnectionsPerAddress', 'newConnectionsPerSecond'];

/** One store that is emptied before each use: with copies, making streams takes a second. */
export class SharedStreams {
  readonly servers: string;
  readonly #nats: NatsConnection;
  readonly #manager: JetStreamManager;

  private constructor(servers: string, nats: NatsConnection, manager: JetStreamManager) {
    this.servers = servers;
    this.#nats = nats;
    this.#manager = manager;
  }

  /** Makes the streams as a hub does, except that they may be emptied. */
  static async make(servers: string, replicas: number): Promise<SharedStreams> {
    const nats = await connectNats({ servers: servers.split(',') });
    const manager = await jetstreamManager(nats, { timeout: PATIENCE_MS });
    for (const plan of plans) {
      await manager.streams.add({ ...streamSettings(plan, replicas), deny_purge: false });
    }
    return new SharedStreams(servers, nats, manager);
  }

  /** Options of an empty store. */
  async empty(folder: string): Promise<JetStreamHubStoreOptions> {
    await Promise.all(plans.map(({ name }) => this.#manager.streams.purge(name)));
    const hubKeyFile = join(folder, 'hub.key');
    return { servers: this.servers, hubKeyFile, prefix: PREFIX, shards: SHARDS };
  }

  close(): Promise<void> {
    return this.#nats.close();
  }
}

/** Starts hubs over an empty store. */
export async function startClusteredHub(plan: ClusterPlan, setup: HubSetup): Promise<HubUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-hubs-'));
  const options = await plan.streams.empty(folder);
  const host = new ClusterHost();
  const isOneDoor = OF_ONE_DOOR.some(
    (limit) => setup.limits !== undefined && limit in setup.limits,
  );
  let nodes = await startNodes(plan.hubs, options, host, setup);
  let opened = 0;
  const nextPort = (): number => {
    opened += isOneDoor ? 0 : 1;
    return nodes[opened % nodes.length]?.server.port ?? 0;
  };
  const halt = async (): Promise<void> => {
    await Promise.all(nodes.map(stopNode));
  };
  return {
    hub: {
      connect: (credentials, events) =>
        connect({ kind: 'tcp', port: nextPort(), host }, credentials, events),
    },
    clock: host.clock,
    forgetsGone: true,
    open: async (client) => {
      const opened = await openSocket('tcp', nextPort(), client);
      // A blank line: the hub has met it, and knows what it speaks, before the clock moves on.
      opened.socket?.write('\n');
      await host.rest();
      return opened;
    },
    rest: () => host.rest(),
    advance: (ms) => host.advance(ms),
    jump: (ms) => host.jump(ms),
    async restart() {
      await halt();
      nodes = await startNodes(plan.hubs, options, host, setup);
    },
    async stop() {
      await halt();
      rmSync(folder, { recursive: true });
    },
  };
}

interface HubNode {
  readonly store: JetStreamHubStore;
  readonly server: NetworkHubServer;
}

async function startNodes(
  count: number,
  options: JetStreamHubStoreOptions,
  host: ClusterHost,
  setup: HubSetup,
): Promise<HubNode[]> {
  const tls = await certificate();
  const stores = await Promise.all(
    Array.from({ length: count }, () => JetStreamHubStore.open(options)),
  );
  return Promise.all(
    stores.map(async (store) => {
      const served = { store: host.counted(store), port: 0, tls, hubHost: host };
      return { store, server: await new NetworkHubServer({ ...served, ...setup }).start() };
    }),
  );
}

async function stopNode({ server, store }: HubNode): Promise<void> {
  await server.stop();
  await store.close();
}
