/**
 * TCP and TLS 1.3 in Node (hub.md §3). The hub's certificate is not trusted and need not be: the
 * hub's proof covers the TLS exporter (RFC 9266), so a machine in the middle with a certificate of
 * its own is refused there. Owns sockets; frames come from `line-splitter`.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { AgentMeshError, NO_CHANNEL_BINDING } from '@agentmesh/protocol';
import type { ChannelBinding } from '@agentmesh/protocol';
import { noAnswer, unreachable } from '../connection-errors.js';
import { NetworkHubError } from '../errors.js';
import { FrameTurn } from '../frame-turn.js';
import { LineSplitter } from '../line-splitter.js';
import { CLOSING_MS } from '../transport.js';
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

// Node's modules are loaded with the first connection: most of what imports this has none.
async function openPlain(address: HubAddress, limits: TransportLimits): Promise<Opened> {
  const { host, port } = address;
  const { connect } = await import('node:net');
  const socket = connect({ host, port });
  const event = 'connect';
  return settled({ socket, event, address, limits }, () => NO_CHANNEL_BINDING);
}

async function openSecure(address: HubAddress, limits: TransportLimits): Promise<Opened> {
  const { host, port, behindProxy } = address;
  const { connect } = await import('node:tls');
  const socket = connect({ host, port, minVersion: 'TLSv1.3', rejectUnauthorized: false });
  const event = 'secureConnect';
  return settled({ socket, event, address, limits }, () =>
    behindProxy ? { type: 2, value: new Uint8Array(32) } : exporterOf(socket),
  );
}

/** The value that both ends of this TLS connection share; Deno has no function for it. */
function exporterOf(socket: Partial<TLSSocket>): ChannelBinding {
  const value = socket.exportKeyingMaterial?.(32, EXPORTER_LABEL, Buffer.alloc(0));
  if (value !== undefined) return { type: 1, value: new Uint8Array(value) };
  throw new NetworkHubError(
    'UNSUPPORTED_RUNTIME',
    'TLS here has no exportKeyingMaterial, without which a machine in the middle could not be ' +
      'noticed. Use Node, or reach the hub over wss:// and a TLS proxy (behindProxy: true)',
  );
}

/** A socket that is about to connect. */
interface Connecting {
  readonly socket: Socket;
  readonly event: 'connect' | 'secureConnect';
  readonly address: HubAddress;
  readonly limits: TransportLimits;
}

/**
 * The socket once it is connected. The deadline is one of time, however lively the other end is.
 */
function settled(
  { socket, event, address, limits }: Connecting,
  bind: () => ChannelBinding,
): Promise<Opened> {
  return new Promise((resolve, reject) => {
    socket.setNoDelay(true);
    const fail = (cause: unknown): void => {
      clearTimeout(tooSlow);
      limits.signal.removeEventListener('abort', calledOff);
      socket.destroy();
      reject(cause instanceof AgentMeshError ? cause : unreachable(address, { cause }));
    };
    const calledOff = (): void => fail(unreachable(address, { what: 'closed by us' }));
    const tooSlow = setTimeout(
      () => fail(noAnswer(address, 'connecting', limits.connectMs)),
      limits.connectMs,
    );
    limits.signal.addEventListener('abort', calledOff);
    socket.once('error', fail);
    socket.once('close', fail);
    // Called off while Node's modules were loading.
    if (limits.signal.aborted) calledOff();
    socket.once(event, () => {
      clearTimeout(tooSlow);
      limits.signal.removeEventListener('abort', calledOff);
      socket.off('error', fail);
      socket.off('close', fail);
      try {
        resolve({ socket, channelBinding: bind() });
      } catch (error) {
        fail(error);
      }
    });
  });
}

/** Reads frames from the socket, and writes those of one turn of the loop together. */
function carry(
  socket: Socket,
  channelBinding: ChannelBinding,
  { events, limits }: { events: TransportEvents; limits: TransportLimits },
): Transport {
  const splitter = new LineSplitter(() => limits.frameBytes);
  let cause: unknown;
  let what = 'the hub closed the connection';
  const read = (bytes: Buffer): void => {
    const fault = splitter.feed(bytes, (line) => {
      if (!socket.destroyed && !socket.writableEnded) events.text(line);
    });
    if (fault === null) return;
    what = fault;
    socket.destroy();
  };
  socket.on('data', read);
  socket.on('error', (error) => {
    cause = error;
    what = 'the connection broke';
  });
  socket.once('end', () => socket.end());
  socket.once('close', () => events.lost({ what, cause }));
  // In one piece the frames of a turn cost one write.
  const turn = new FrameTurn({
    defer: (flush) => void setImmediate(flush),
    write(texts) {
      if (socket.destroyed || socket.writableEnded) return;
      socket.write(Buffer.from(`${texts.join('\n')}\n`));
    },
  });
  return {
    channelBinding,
    send(text) {
      if (!socket.destroyed && !socket.writableEnded) turn.send(text);
    },
    gather: () => turn.gather(),
    close() {
      turn.flush();
      socket.end();
      // What comes now is of no interest, and nobody waits for an end that may never answer.
      socket.off('data', read);
      socket.resume();
      socket.unref();
      const late = setTimeout(() => socket.destroy(), CLOSING_MS);
      late.unref();
      socket.once('close', () => clearTimeout(late));
    },
  };
}
