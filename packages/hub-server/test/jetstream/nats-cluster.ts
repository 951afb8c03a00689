/**
 * Several real nats-server processes that keep copies for each other, as a test needs them: to be
 * killed, frozen, cut off from each other, and gone afterwards. Owns who is in it and who leads;
 * one process is a `NatsNode`, the network to cut is a `NatsNetwork`.
 */
import { freePorts, NatsNode } from './nats-process.js';
import type { NatsPlace, NatsSettings } from './nats-process.js';
import { NatsNetwork } from './nats-network.js';
import type { Cut } from './nats-network.js';

export interface NatsClusterSettings extends NatsSettings {
  /** Default: 3. */
  readonly size?: number;
  /** In network namespaces, so that nodes can be cut off: only where `whyNoNetwork` is null. */
  readonly canBeCut?: boolean;
}

interface JetStreamPage {
  readonly meta_cluster?: { readonly leader?: string };
  readonly account_details?: readonly {
    readonly stream_detail?: readonly StreamDetail[];
  }[];
}

interface StreamDetail {
  readonly name: string;
  readonly cluster?: { readonly leader?: string };
}

const CLIENTS = 4222;
const MONITOR = 8222;
const ROUTES = 6222;
const LEADER_MS = 30_000;

/** Runs from {@link NatsCluster.start} to `dispose`. */
export class NatsCluster {
  readonly nodes: readonly NatsNode[];
  readonly #network: NatsNetwork | null;

  private constructor(nodes: readonly NatsNode[], network: NatsNetwork | null) {
    this.nodes = nodes;
    this.#network = network;
  }

  /** Resolves when every node follows one leader; a failure leaves nothing behind. */
  static async start(settings: NatsClusterSettings = {}): Promise<NatsCluster> {
    const { size = 3, canBeCut = false } = settings;
    const network = canBeCut ? NatsNetwork.tryMake(size) : null;
    if (canBeCut && network === null) throw new Error('no network namespaces can be made');
    const places = network === null ? await loopback(size) : seats(network);
    const routes = places.map(({ route }) => `nats-route://${route}`).join(', ');
    const nodes = places.map(({ route, ...place }, at) => {
      const [host = '', port = ''] = route.split(':');
      const cluster = ['name: agentmesh', `host: ${host}`, `port: ${port}`, `routes: [${routes}]`];
      return new NatsNode(
        place,
        settings,
        `server_name: n${at + 1}\ncluster {\n${cluster.join('\n')}\n}`,
      );
    });
    const made = new NatsCluster(nodes, network);
    try {
      for (const node of nodes) node.launch();
      await made.healthy();
      return made;
    } catch (thrown) {
      await made.dispose();
      throw thrown;
    }
  }

  /** All addresses, as a hub takes them. */
  get servers(): string {
    return this.nodes.map(({ url }) => url).join(',');
  }

  /** The node with this number, from 0. */
  node(at: number): NatsNode {
    const node = this.nodes[at];
    if (node === undefined) throw new Error(`no node ${at}`);
    return node;
  }

  /** Waits until all nodes that run are well and there is a leader. */
  async healthy(): Promise<void> {
    await Promise.all(this.nodes.filter((node) => node.isRunning).map((node) => node.healthy()));
    await this.leader();
  }

  /** The node that leads the cluster, as soon as there is one. */
  leader(): Promise<NatsNode> {
    return this.#search((page) => page.meta_cluster?.leader, '/jsz');
  }

  /** The node that leads this stream: the one that its writers need. */
  streamLeader(name: string): Promise<NatsNode> {
    const leaderOf = (page: JetStreamPage): string | undefined => {
      const streams = (page.account_details ?? []).flatMap((one) => one.stream_detail ?? []);
      return streams.find((stream) => stream.name === name)?.cluster?.leader;
    };
    return this.#search(leaderOf, '/jsz?accounts=true&streams=true');
  }

  /** Cuts one node off: from the other nodes, from its clients, or from both. */
  cut(node: NatsNode, cut: Cut = 'all'): void {
    const { network, seat } = this.#seatOf(node);
    network.unplug(seat, cut);
  }

  heal(node: NatsNode): void {
    const { network, seat } = this.#seatOf(node);
    network.plug(seat);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.dispose()));
    this.#network?.dispose();
  }

  #seatOf(node: NatsNode): { network: NatsNetwork; seat: NatsNetwork['seats'][number] } {
    const seat = this.#network?.seats[this.nodes.indexOf(node)];
    if (this.#network === null || seat === undefined) throw new Error('started without canBeCut');
    return { network: this.#network, seat };
  }

  /** A node that has lost its peers may name an old leader: what most say counts. */
  async #search(
    leaderOf: (page: JetStreamPage) => string | undefined,
    path: string,
  ): Promise<NatsNode> {
    for (const endMs = Date.now() + LEADER_MS; Date.now() < endMs;) {
      const pages = await Promise.all(this.nodes.map((node) => node.page(path)));
      const named = pages.map((page) => (page === null ? '' : leaderOf(page as JetStreamPage)));
      for (const [at, node] of this.nodes.entries()) {
        const votes = named.filter((name) => name === `n${at + 1}`).length;
        if (votes > this.nodes.length / 2) return node;
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
    throw new Error('the cluster has no leader');
  }
}

type Place = NatsPlace & { readonly route: string };

async function loopback(size: number): Promise<Place[]> {
  const ports = await freePorts(size * 3);
  return Array.from({ length: size }, (_, at) => {
    const [port = 0, monitor = 0, route = 0] = ports.slice(3 * at, 3 * at + 3);
    const host = '127.0.0.1';
    return { host, port, monitor, namespace: null, route: `${host}:${route}` };
  });
}

function seats(network: NatsNetwork): Place[] {
  return network.seats.map(({ namespace, client, peer }) => ({
    host: client,
    port: CLIENTS,
    monitor: MONITOR,
    namespace,
    route: `${peer}:${ROUTES}`,
  }));
}
