/**
 * The network between agents and their hub: connections whose two directions keep their order, as
 * TCP's do, and nothing else: delays, connections that end at one side first, that hang, that
 * cannot be made. What was under way on an old connection may arrive after a new one was made.
 */
import type { OpenTransport, Transport, TransportEvents } from '@agentmesh/hub-client';
import { NO_CHANNEL_BINDING, ProtocolError } from '@agentmesh/protocol';
import type { ChannelTransport } from '@agentmesh/protocol';
import type { LoopbackClient } from '@agentmesh/hub-local';
import type { Chance } from './chance.js';
import { Lane } from './lane.js';
import type { Process } from './machine.js';
import type { Timeline } from './timeline.js';

/** A hub that runs. */
export interface ListeningHub {
  readonly process: Process;
  open(client: LoopbackClient): Promise<ChannelTransport>;
}

/** Sees every frame, as its sender gives it to the network. */
export interface Tap {
  toHub(frame: TappedFrame): void;
  toAgent(frame: TappedFrame): void;
}

export interface TappedFrame {
  readonly agent: string;
  /** Counts the connections of all agents. */
  readonly connection: number;
  readonly text: string;
}

/** How slow, for whom, and whether at all. */
export class Network {
  readonly timeline: Timeline;
  readonly #chance: Chance;
  readonly #tap: Tap;
  readonly #wires = new Set<Wire>();
  readonly #clogged = new Set<string>();
  /** What the hub says to these does not arrive. */
  readonly #mute = new Set<string>();
  /** Agents whose frames to the hub are counted, and what is done after the last. */
  readonly #countdowns = new Map<string, { left: number; readonly task: () => void }>();
  #connections = 0;
  #hub: ListeningHub | null = null;
  /** Longest usual delay of a frame. */
  slowestMs = 20;

  constructor(timeline: Timeline, chance: Chance, tap: Tap) {
    this.timeline = timeline;
    this.#chance = chance;
    this.#tap = tap;
  }

  delayMs(): number {
    const { slowestMs } = this;
    return this.#chance.flip(0.02)
      ? this.#chance.between(slowestMs, 20 * slowestMs)
      : this.#chance.skewed(0.2, slowestMs);
  }

  isClogged(agent: string): boolean {
    return this.#clogged.has(agent);
  }

  /** Nothing goes through in either direction, and nothing is lost. */
  clog(agent: string): void {
    this.#clogged.add(agent);
  }

  unclog(agent: string): void {
    this.#clogged.delete(agent);
    for (const wire of this.#wires) if (wire.agent === agent) wire.resume();
  }

  isMute(agent: string): boolean {
    return this.#mute.has(agent) || this.isClogged(agent);
  }

  /** Requests arrive, their answers do not; nothing is lost. */
  mute(agent: string): void {
    this.#mute.add(agent);
  }

  unmute(agent: string): void {
    this.#mute.delete(agent);
    for (const wire of this.#wires) if (wire.agent === agent) wire.resume();
  }

  /** Does something right after an agent has given the network so many frames more. */
  afterFrames(agent: string, count: number, task: () => void): void {
    this.#countdowns.set(agent, { left: count, task });
  }

  count(agent: string): void {
    const countdown = this.#countdowns.get(agent);
    if (countdown === undefined || --countdown.left > 0) return;
    this.#countdowns.delete(agent);
    this.timeline.after(0, countdown.task);
  }

  heal(): void {
    this.slowestMs = 20;
    this.#countdowns.clear();
    for (const agent of this.#clogged) this.unclog(agent);
    for (const agent of this.#mute) this.unmute(agent);
  }

  listen(hub: ListeningHub): void {
    this.#hub = hub;
  }

  /** The hub's process is gone; its machine says so to whoever was connected, or is gone too. */
  hubDied(isSilent: boolean): void {
    this.#hub = null;
    for (const wire of this.#wires) wire.hubDied(isSilent);
  }

  /** An agent's process is gone, and its connections with it. */
  agentDied(agent: string, isSilent: boolean): void {
    for (const wire of this.#wires) if (wire.agent === agent) wire.agentDied(isSilent);
  }

  /** Every connection of an agent ends; each end learns of it in its own time. */
  cut(agent: string): void {
    for (const wire of this.#wires) {
      if (wire.agent === agent) wire.cut(this.#chance.flip(0.5));
    }
  }

  /** How the client of one agent's process opens connections. */
  opener(agent: string, process: Process): OpenTransport {
    return (_address, events, { connectMs }) =>
      new Promise((resolve, reject) => {
        const failed = (what: string): void =>
          reject(new ProtocolError('CONNECTION_LOST', { detail: what }));
        if (this.#clogged.has(agent)) {
          process.after(connectMs, () => failed('nobody answers'));
          return;
        }
        process.after(this.delayMs(), () => {
          const hub = this.#hub;
          if (hub === null) failed('refused');
          else resolve(this.#connect({ agent, process, events, hub }));
        });
      });
  }

  #connect(ends: WireEnds): Transport {
    this.#connections += 1;
    const wire: Wire = new Wire(this, this.#tap, { ...ends, number: this.#connections }, () =>
      this.#wires.delete(wire),
    );
    this.#wires.add(wire);
    return wire.transport;
  }
}

interface WireEnds {
  readonly agent: string;
  readonly process: Process;
  readonly events: TransportEvents;
  readonly hub: ListeningHub;
}

/** One connection. */
class Wire {
  readonly agent: string;
  readonly transport: Transport;
  readonly #toHub: Lane;
  readonly #toAgent: Lane;
  readonly #ends: WireEnds;
  readonly #onOver: () => void;
  #hubEnd: ChannelTransport | null = null;
  #agentOpen = true;
  #hubOpen = true;

  constructor(
    network: Network,
    tap: Tap,
    ends: WireEnds & { readonly number: number },
    onOver: () => void,
  ) {
    this.agent = ends.agent;
    this.#ends = ends;
    this.#onOver = onOver;
    this.#toHub = new Lane(network, () => network.isClogged(ends.agent));
    this.#toAgent = new Lane(network, () => network.isMute(ends.agent));
    const frame = (text: string): TappedFrame => {
      return { agent: ends.agent, connection: ends.number, text };
    };
    this.transport = {
      channelBinding: NO_CHANNEL_BINDING,
      send: (text) => {
        if (!this.#agentOpen) return;
        tap.toHub(frame(text));
        this.#toHub.push(() => this.#hubEnd?.send(text));
        network.count(ends.agent);
      },
      close: () => this.#closedByAgent(),
    };
    const client: LoopbackClient = {
      receive: (text) => {
        if (!this.#hubOpen) return;
        tap.toAgent(frame(text));
        this.#toAgent.push(() => {
          if (this.#agentOpen && ends.process.alive) ends.events.text(text);
        });
      },
      lost: () => {
        this.#hubOpen = false;
        this.#toAgent.push(() => this.#endAgent('the hub closed the connection'));
      },
    };
    void this.#accept(client);
  }

  resume(): void {
    this.#toHub.pump();
    this.#toAgent.pump();
  }

  cut(keepsUnderWay: boolean): void {
    if (!keepsUnderWay) {
      this.#toHub.drop();
      this.#toAgent.drop();
    }
    this.#toHub.push(() => this.#endHub());
    this.#toAgent.push(() => this.#endAgent('cut'));
  }

  hubDied(isSilent: boolean): void {
    this.#hubEnd = null;
    this.#hubOpen = false;
    if (!isSilent) this.#toAgent.push(() => this.#endAgent('the hub is gone'));
    else this.#toAgent.drop();
  }

  agentDied(isSilent: boolean): void {
    this.#agentOpen = false;
    this.#toAgent.drop();
    if (!isSilent) this.#toHub.push(() => this.#endHub());
  }

  async #accept(client: LoopbackClient): Promise<void> {
    const { hub } = this.#ends;
    try {
      const end = await hub.open(client);
      if (hub.process.alive) this.#hubEnd = end;
    } catch {
      // A hub that cannot start answers nobody.
      client.lost();
    }
  }

  #closedByAgent(): void {
    if (!this.#agentOpen) return;
    this.#toHub.push(() => this.#endHub());
    this.#ends.process.after(0, () => this.#endAgent('closed by us'));
  }

  #endAgent(what: string): void {
    if (!this.#agentOpen) return;
    this.#agentOpen = false;
    if (this.#ends.process.alive) this.#ends.events.lost({ what });
    this.#overIfBoth();
  }

  #endHub(): void {
    this.#hubEnd?.close();
    this.#hubEnd = null;
    this.#hubOpen = false;
    this.#overIfBoth();
  }

  #overIfBoth(): void {
    if (!this.#agentOpen && !this.#hubOpen) this.#onOver();
  }
}
