/**
 * TCP and TLS 1.3 in Node (hub.md §3). The hub's certificate is not trusted and need not be: both
 * signatures of the authentication cover the TLS exporter (RFC 9266), so a machine in the middle
 * with a certificate of its own is refused there. Owns sockets; frames come from `line-splitter`.
 */
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { NO_CHANNEL_BINDING } from '@agentmesh/protocol';
import type { ChannelBinding, ProtocolError } from '@agentmesh/protocol';
import { noAnswer, unreachable } from '../connection-errors.js';
import { LineSplitter } from '../line-splitter.js';
import type {
  HubAddress,
  OpenTransport,
  Transport,
  TransportEvents,
  TransportLimits,
} from '../transport.js';

const EXPORTER_LABEL = 'EXPORTER-Channel-Binding';

export const openTcp: OpenTransport = async (address, events, limits) => {
  const { socket, channelBinding } = address.secure
    ? await openSecure(address, limits)
    : await openPlain(address, limits);
  return carry(socket, channelBinding, { events, limits });
};

interface Opened {
  readonly socket: Socket;
  readonly channelBinding: ChannelBinding;
}

function openPlain(address: HubAddress, limits: TransportLimits): Promise<Opened> {
  const { host, port } = address;
  const socket = connectTcp({ host, port });
  const event = 'connect';
  return settled({ socket, event, address, limits }, () => NO_CHANNEL_BINDING);
}

function openSecure(address: HubAddress, limits: TransportLimits): Promise<Opened> {
  const { host, port, behindProxy } = address;
  const socket = connectTls({ host, port, minVersion: 'TLSv1.3', rejectUnauthorized: false });
  const event = 'secureConnect';
  return settled({ socket, event, address, limits }, () =>
    behindProxy
      ? { type: 2, value: new Uint8Array(32) }
      : {
          type: 1,
          value: new Uint8Array(socket.exportKeyingMaterial(32, EXPORTER_LABEL, Buffer.alloc(0))),
        },
  );
}

/** A socket that is about to connect. */
interface Connecting {
  readonly socket: Socket;
  readonly event: 'connect' | 'secureConnect';
  readonly address: HubAddress;
  readonly limits: TransportLimits;
}

function settled(
  { socket, event, address, limits }: Connecting,
  bind: () => ChannelBinding,
): Promise<Opened> {
  return new Promise((resolve, reject) => {
    socket.setNoDelay(true);
    socket.setTimeout(limits.connectMs);
    const fail = (error: ProtocolError): void => {
      socket.destroy();
      reject(error);
    };
    const failed = (cause: Error): void => fail(unreachable(address, { cause }));
    socket.once('error', failed);
    socket.once('timeout', () => fail(noAnswer(address, 'connecting', limits.connectMs)));
    socket.once(event, () => {
      socket.setTimeout(0);
      socket.removeAllListeners('timeout');
      socket.off('error', failed);
      resolve({ socket, channelBinding: bind() });
    });
  });
}

/** Reads frames from the socket, and writes those of one turn of the loop together. */
function carry(
  socket: Socket,
  channelBinding: ChannelBinding,
  { events, limits }: { events: TransportEvents; limits: TransportLimits },
): Transport {
  const splitter = new LineSplitter(limits.frameBytes);
  let cause: unknown;
  let what = 'the hub closed the connection';
  socket.on('data', (bytes: Buffer) => {
    const split = splitter.feed(bytes);
    if (split.ok) {
      for (const line of split.lines) events.text(line);
      return;
    }
    what = split.what;
    socket.destroy();
  });
  socket.on('error', (error) => {
    cause = error;
    what = 'the connection broke';
  });
  socket.once('end', () => socket.end());
  socket.once('close', () => events.lost({ what, cause }));
  // The hub tells the kinds of connection apart by their first byte: a blank line means frames.
  socket.write('\n');
  let corked = false;
  return {
    channelBinding,
    send(text) {
      if (socket.destroyed || socket.writableEnded) return;
      if (!corked) {
        corked = true;
        socket.cork();
        setImmediate(() => {
          corked = false;
          socket.uncork();
        });
      }
      socket.write(`${text}\n`);
    },
    close() {
      socket.end();
      socket.setTimeout(limits.connectMs, () => socket.destroy());
    },
  };
}
