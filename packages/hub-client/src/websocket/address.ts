/**
 * What both kinds of WebSocket client share (hub.md §2, §3): where a hub is, and that the TLS
 * inside `wss:` is out of sight, so that its channel binding is type 2 and both sides must have
 * agreed to that. No socket here.
 */
import { NO_CHANNEL_BINDING } from '@agentmesh/protocol';
import type { ChannelBinding } from '@agentmesh/protocol';
import type { HubAddress } from '../transport.js';

/** The URL at which a hub accepts WebSockets. */
export function webSocketUrl({ host, port, secure }: HubAddress): string {
  const bracketed = host.includes(':') ? `[${host}]` : host;
  return `${secure ? 'wss' : 'ws'}://${bracketed}:${port}/ws`;
}

/** This end's view of the connection. */
export function webSocketBinding({ secure }: HubAddress): ChannelBinding {
  return secure ? { type: 2, value: new Uint8Array(32) } : NO_CHANNEL_BINDING;
}
