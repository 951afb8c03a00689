/**
 * One attempt to reach a hub: a transport, a channel over it, both sides authenticated. Owns
 * joining the two and cleaning up what failed half-way; whether to try again,
 * `lasting-connection` decides.
 */
import { AgentMeshError, HubChannel, PROTOCOL_LIMITS } from '@agentmesh/protocol';
import type { HubChannelOptions, HubCredentials, Pace } from '@agentmesh/protocol';
import { connectionLost, noAnswer, unreachable } from './connection-errors.js';
import type { ClientHost } from './host.js';
import type { NetworkHubSettings } from './options.js';
import type { HubAddress, Transport } from './transport.js';

/** What one attempt needs. */
export interface ChannelRequest {
  readonly address: HubAddress;
  readonly settings: NetworkHubSettings;
  readonly host: ClientHost;
  readonly credentials: HubCredentials;
  readonly events: HubChannelOptions['events'];
  /** What the agent has spent of the hub's rates. */
  readonly pace: Pace;
  /** Calls the attempt off. */
  readonly signal: AbortSignal;
}

/** A channel that is authenticated and not yet started, or why there is none. */
export type ChannelResult =
  | { readonly ok: true; readonly channel: HubChannel }
  /** `reached`: the hub may have our authentication and go on with it after we have given up. */
  | { readonly ok: false; readonly error: AgentMeshError; readonly reached: boolean };

/** Tries once. Never throws for what a network or a hub can do. */
export async function openChannel(request: ChannelRequest): Promise<ChannelResult> {
  const { address, settings, host, signal } = request;
  const inbound = new Inbound(address);
  let reached = false;
  try {
    const transport = await host.open(address, inbound, {
      get frameBytes() {
        return inbound.maxFrameLength;
      },
      connectMs: settings.patience.connectMs,
      signal,
    });
    reached = true;
    return { ok: true, channel: await channelOver(transport, inbound, request) };
  } catch (thrown) {
    const isOurs = thrown instanceof AgentMeshError;
    const error = isOurs ? thrown : unreachable(address, { cause: thrown });
    return { ok: false, error, reached };
  }
}

function channelOver(
  transport: Transport,
  inbound: Inbound,
  { address, settings, host, credentials, events, pace, signal }: ChannelRequest,
): Promise<HubChannel> {
  const channel = new HubChannel({
    credentials,
    events,
    channelBinding: transport.channelBinding,
    clock: host.clock,
    random: host.random,
    transport,
    requestTimeoutMs: settings.requestTimeoutMs,
    pace,
    after: (delayMs, task) => host.after(delayMs, task),
  });
  inbound.join(channel);
  const { authenticationMs: waitMs } = settings.patience;
  const giveUp = (): void => void channel.close();
  signal.addEventListener('abort', giveUp);
  const done = (): void => signal.removeEventListener('abort', giveUp);
  return authenticated(channel, { transport, host, address, waitMs }).finally(done);
}

/** A channel whose hub has not proved itself yet. */
interface Authenticating {
  readonly transport: Transport;
  readonly host: ClientHost;
  readonly address: HubAddress;
  readonly waitMs: number;
}

/** A hub that accepts the connection and then says nothing must not hold the attempt for ever. */
async function authenticated(
  channel: HubChannel,
  { transport, host, address, waitMs }: Authenticating,
): Promise<HubChannel> {
  const stop = host.after(waitMs, () => channel.lost(noAnswer(address, 'authenticating', waitMs)));
  try {
    await channel.opened;
    return channel;
  } catch (error) {
    transport.close();
    throw error;
  } finally {
    stop();
  }
}

/** Holds what a transport says until the channel exists: whoever answers may speak at once. */
class Inbound {
  readonly #address: HubAddress;
  #channel: HubChannel | null = null;
  #early: ((channel: HubChannel) => void)[] = [];

  constructor(address: HubAddress) {
    this.#address = address;
  }

  get maxFrameLength(): number {
    return this.#channel?.maxFrameLength ?? PROTOCOL_LIMITS.preAuthFrameBytes;
  }

  join(channel: HubChannel): void {
    this.#channel = channel;
    for (const news of this.#early) news(channel);
    this.#early = [];
  }

  text(text: string): void {
    this.#tell((channel) => channel.receive(text));
  }

  lost({ what, cause }: { readonly what: string; readonly cause?: unknown }): void {
    this.#tell((channel) => channel.lost(connectionLost(this.#address, { what, cause })));
  }

  #tell(news: (channel: HubChannel) => void): void {
    if (this.#channel === null) this.#early.push(news);
    else news(this.#channel);
  }
}
