/**
 * Clients of a real hub: frames' texts over TCP, TLS or WebSocket. Owns sockets only; what is said
 * over them is the test's matter. Deliberately not `hub-client`: a second opinion on the wire.
 */
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { NO_CHANNEL_BINDING } from '@agentmesh/protocol';
import type { ChannelBinding, ChannelTransport } from '@agentmesh/protocol';

export type TransportKind = 'tcp' | 'tls' | 'websocket';

/** Whoever reads the frames. */
export interface Reader {
  receive(text: string): void;
  lost(): void;
}

/** One open connection. */
export interface SocketClient extends ChannelTransport {
  readonly channelBinding: ChannelBinding;
  /** The socket itself; null for a WebSocket. */
  readonly socket: Socket | null;
}

const HOST = '127.0.0.1';

/** Connects; frames go to `reader` from then on. */
export function openSocket(
  kind: TransportKind,
  port: number,
  reader: Reader,
): Promise<SocketClient> {
  return kind === 'websocket' ? openWebSocket(port, reader) : openLines(kind, port, reader);
}

/** The exporter of RFC 9266, as this end sees it. */
export function bindingOf(socket: Socket): ChannelBinding {
  if (!(socket instanceof TLSSocket)) return NO_CHANNEL_BINDING;
  const value = socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  return { type: 1, value: new Uint8Array(value) };
}

/** A bare socket, connected or through its TLS handshake. */
export function dial(kind: 'tcp' | 'tls', port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      kind === 'tcp'
        ? connectTcp({ host: HOST, port }, () => resolve(socket))
        : connectTls({ host: HOST, port, rejectUnauthorized: false }, () => resolve(socket));
    socket.once('error', reject);
    socket.setNoDelay(true);
  });
}

async function openLines(kind: 'tcp' | 'tls', port: number, reader: Reader): Promise<SocketClient> {
  const socket = await dial(kind, port);
  let held = '';
  socket.on('data', (bytes: Buffer) => {
    const lines = (held + bytes.toString('latin1')).split('\n');
    held = lines.pop() ?? '';
    for (const line of lines) reader.receive(line);
  });
  socket.on('error', () => socket.destroy());
  socket.once('close', () => reader.lost());
  return {
    socket,
    channelBinding: bindingOf(socket),
    send: (text) => void socket.write(`${text}\n`),
    close: () => void socket.end(),
  };
}

function openWebSocket(port: number, reader: Reader): Promise<SocketClient> {
  return new Promise((resolve, reject) => {
    const webSocket = new WebSocket(`ws://${HOST}:${port}/ws`);
    webSocket.addEventListener('message', (event: MessageEvent<string>) => {
      reader.receive(event.data);
    });
    webSocket.addEventListener('error', () => reject(new TypeError('no WebSocket')));
    webSocket.addEventListener('close', () => reader.lost());
    webSocket.addEventListener('open', () => {
      resolve({
        socket: null,
        channelBinding: NO_CHANNEL_BINDING,
        send: (text) => webSocket.send(text),
        close: () => webSocket.close(),
      });
    });
  });
}
