/**
 * A transport carries frame texts between this process and a hub. Owns the shape that TCP and
 * WebSocket share, and their bounds; knows no frame and no key.
 */
import type { ChannelBinding } from '@agentmesh/protocol';

/** Where a hub listens, and how it is reached. */
export interface HubAddress {
  readonly host: string;
  readonly port: number;
  readonly transport: 'tcp' | 'websocket';
  /** TLS on TCP (the hub's own certificate will do) or `wss:`. */
  readonly secure: boolean;
  /** TLS ends before the hub: channel binding type 2. */
  readonly behindProxy: boolean;
}

/** What a transport tells. `text` comes in order; after `lost` nothing more comes. */
export interface TransportEvents {
  text(text: string): void;
  /** Once, when the connection has ended for whatever reason; `closeCode` on WebSocket. */
  lost(reason: TransportEnd): void;
}

/** Why a connection ended. */
export interface TransportEnd {
  readonly what: string;
  readonly cause?: unknown;
}

/** An open connection. */
export interface Transport {
  readonly channelBinding: ChannelBinding;
  /** Queues one frame. Nothing is promised until the hub answers. */
  send(text: string): void;
  /** From now on frames of one turn may go together, as `gathered` does it. */
  gather?(): void;
  /** Ends the connection after what was queued; from now on it keeps no process alive. */
  close(): void;
}

/** Opens a connection, or rejects with CONNECTION_LOST, TIMEOUT or PLAINTEXT_REFUSED. */
export type OpenTransport = (
  address: HubAddress,
  events: TransportEvents,
  limits: TransportLimits,
) => Promise<Transport>;

/** Bounds of one connection. */
export interface TransportLimits {
  /** Longest frame that may come, in bytes; it grows once the hub has proved its key. */
  readonly frameBytes: number;
  /** Time to connect, in milliseconds. */
  readonly connectMs: number;
  /** Calls off an attempt that is not connected yet. */
  readonly signal: AbortSignal;
}

/** How long an end of ours may wait for the other one, in milliseconds. */
export const CLOSING_MS = 1_000;
