/**
 * WebSocket anywhere (hub.md §2, §3): the platform's own client, in browsers and in Node. One text
 * message is one frame. Owns the socket; the TLS inside `wss:` is out of sight here, so its channel
 * binding is type 2 and both sides must have agreed to that.
 */
import { NO_CHANNEL_BINDING } from '@agentmesh/protocol';
import { noAnswer, unreachable } from './connection-errors.js';
import type { HubAddress, OpenTransport, Transport } from './transport.js';

/** The URL of a hub's WebSocket door. */
function webSocketUrl({ host, port, secure }: HubAddress): string {
  const bracketed = host.includes(':') ? `[${host}]` : host;
  return `${secure ? 'wss' : 'ws'}://${bracketed}:${port}/ws`;
}

export const openWebSocket: OpenTransport = (address, events, limits) =>
  new Promise<Transport>((resolve, reject) => {
    const socket = new WebSocket(webSocketUrl(address));
    let opened = false;
    let what = 'the hub closed the connection';
    const tooSlow = setTimeout(() => {
      reject(noAnswer(address, 'connecting', limits.connectMs));
      socket.close();
    }, limits.connectMs);
    socket.addEventListener('open', () => {
      clearTimeout(tooSlow);
      opened = true;
      resolve(transportOf(socket, address));
    });
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string' && data.length <= limits.frameBytes) {
        events.text(data);
        return;
      }
      what = 'the hub sent a message that is no frame';
      socket.close();
    });
    socket.addEventListener('close', ({ code }) => {
      clearTimeout(tooSlow);
      const detail = `WebSocket closed with ${code}`;
      if (opened) events.lost({ what: `${what} (${detail})` });
      else reject(unreachable(address, { what: detail }));
    });
  });

function transportOf(socket: WebSocket, { secure }: HubAddress): Transport {
  return {
    channelBinding: secure ? { type: 2, value: new Uint8Array(32) } : NO_CHANNEL_BINDING,
    send(text) {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close() {
      socket.close(1000);
    },
  };
}
