/**
 * A network for the nodes of a cluster, made of Linux network namespaces: each node has a cable to
 * its peers and one to the clients outside, and either can be unplugged. What is sent into an
 * unplugged cable vanishes, as in a real partition; nobody is told. Owns namespaces and cables.
 */
import { spawnSync } from 'node:child_process';
import { ensureProgram } from '../../../../scripts/programs.mjs';

/** Where one node stands. */
export interface NetworkSeat {
  readonly namespace: string;
  /** Address for clients, reached from the test process. */
  readonly client: string;
  /** Address for the other nodes. */
  readonly peer: string;
}

/** Which cables of a node to unplug. */
export type Cut = 'peers' | 'clients' | 'all';

const PORTS_OF_ALL = 250;

/** Why there can be no such network here; null if there can. */
export function whyNoNetwork(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (ensureProgram('ip') === null) {
    return 'the command ip (iproute2) is not installed and could not be';
  }
  const probe = NatsNetwork.tryMake(1);
  probe?.dispose();
  return probe === null ? 'this machine lets nobody make network namespaces' : null;
}

/** Stands from {@link NatsNetwork.tryMake} to `dispose`. */
export class NatsNetwork {
  readonly seats: readonly NetworkSeat[];
  /** Third part of all addresses; the namespace of the switch is named after it. */
  readonly #number: number;
  readonly #dispose = (): void => this.dispose();

  private constructor(number: number, size: number) {
    this.#number = number;
    this.seats = Array.from({ length: size }, (_, at) => ({
      namespace: `agentmesh-${number}-n${at + 1}`,
      client: `198.18.${number}.${4 * at + 2}`,
      peer: `198.19.${number}.${at + 1}`,
    }));
    process.on('exit', this.#dispose);
  }

  /** Null where it is not allowed. Addresses are those reserved for benchmarks (RFC 2544). */
  static tryMake(size: number): NatsNetwork | null {
    const first = Math.floor(Math.random() * PORTS_OF_ALL);
    for (let tries = 0; tries < PORTS_OF_ALL; tries++) {
      const number = 1 + ((first + tries) % PORTS_OF_ALL);
      // Of several test processes one gets the name.
      const { ok, error } = tryIp(['netns', 'add', switchOf(number)]);
      if (!ok && error.includes('File exists')) continue;
      if (!ok) return null;
      const network = new NatsNetwork(number, size);
      try {
        network.#build();
        return network;
      } catch {
        network.dispose();
        return null;
      }
    }
    return null;
  }

  /** What the node sends and what is sent to it vanishes from now on. */
  unplug(seat: NetworkSeat, cut: Cut): void {
    this.#setCables(seat, cut, 'down');
  }

  plug(seat: NetworkSeat): void {
    this.#setCables(seat, 'all', 'up');
  }

  /** The processes inside must have ended. */
  dispose(): void {
    process.off('exit', this.#dispose);
    // The ends of its cables go away with a namespace.
    for (const { namespace } of this.seats) tryIp(['netns', 'del', namespace]);
    tryIp(['netns', 'del', switchOf(this.#number)]);
  }

  #build(): void {
    const hub = switchOf(this.#number);
    ip(['-n', hub, 'link', 'add', 'switch', 'type', 'bridge']);
    ip(['-n', hub, 'link', 'set', 'switch', 'up']);
    for (const seat of this.seats) {
      const { namespace, client, peer } = seat;
      const { toClients, toPeers } = this.#cablesOf(seat);
      ip(['netns', 'add', namespace]);
      ip(['-n', namespace, 'link', 'set', 'lo', 'up']);
      ip(['link', 'add', toClients, 'type', 'veth', 'peer', 'clients', 'netns', namespace]);
      const outside = client.replace(/\d+$/, (last) => String(Number(last) - 1));
      ip(['addr', 'add', `${outside}/30`, 'dev', toClients]);
      ip(['-n', namespace, 'addr', 'add', `${client}/30`, 'dev', 'clients']);
      ip(['-n', namespace, 'link', 'set', 'clients', 'up']);
      const end = ['peer', 'peers', 'netns', namespace];
      ip(['-n', hub, 'link', 'add', toPeers, 'type', 'veth', ...end]);
      ip(['-n', hub, 'link', 'set', toPeers, 'master', 'switch']);
      ip(['-n', namespace, 'addr', 'add', `${peer}/24`, 'dev', 'peers']);
      ip(['-n', namespace, 'link', 'set', 'peers', 'up']);
      this.plug(seat);
    }
  }

  /** The far ends: a node whose own end went down would be told so by its kernel. */
  #setCables(seat: NetworkSeat, cut: Cut, state: 'up' | 'down'): void {
    const { toClients, toPeers } = this.#cablesOf(seat);
    const hub = switchOf(this.#number);
    if (cut !== 'clients') ip(['-n', hub, 'link', 'set', toPeers, state]);
    if (cut !== 'peers') ip(['link', 'set', toClients, state]);
  }

  #cablesOf(seat: NetworkSeat): { readonly toClients: string; readonly toPeers: string } {
    const at = this.seats.indexOf(seat) + 1;
    return { toClients: `amc${this.#number}n${at}`, toPeers: `amp${this.#number}n${at}` };
  }
}

function switchOf(number: number): string {
  return `agentmesh-${number}`;
}

function tryIp(args: readonly string[]): { readonly ok: boolean; readonly error: string } {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  return { ok: status === 0, error: stderr };
}

function ip(args: readonly string[]): void {
  const { ok, error } = tryIp(args);
  if (!ok) throw new Error(`ip ${args.join(' ')}: ${error.trim()}`);
}
