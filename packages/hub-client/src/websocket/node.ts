/**
 * WebSocket in Node (hub.md §2, §3), over `ws`: the client that Node brings bounds no message, and
 * a half-open connection cannot be taken from it. One text message is one frame. Owns the socket
 * and its bounds.
 */
import type { Duplex } from 'node:stream';
import { PROTOCOL_LIMITS, ProtocolError } from '@agentmesh/protocol';
import type { WebSocket } from 'ws';
import { noAnswer, unreachable } from '../connection-errors.js';
import { FrameTurn } from '../frame-turn.js';
import { CLOSING_MS } from '../transport.js';
import type { OpenTransport, Transport, TransportEvents, TransportLimits } from '../transport.js';
import { webSocketBinding, webSocketUrl } from './address.js';

/** One reading of the socket may hold several whole messages beside an unfinished one. */
const READING_BYTES = 64 * 1024;

/** The socket below; `ws` hands it out with the answer to its request. */
interface Below {
  socket: (Duplex & { unref?: () => void }) | null;
}

export const openWebSocket: OpenTransport = async (address, events, limits) => {
  // Only who uses it pays for loading it.
  const { WebSocket: Client } = await import('ws');
  return new Promise<Transport>((resolve, reject) => {
    const client = new Client(webSocketUrl(address), {
      perMessageDeflate: false,
      maxPayload: PROTOCOL_LIMITS.frameBytes,
    });
    const below: Below = { socket: null };
    const fail = (cause: unknown): void => {
      clearTimeout(tooSlow);
      limits.signal.removeEventListener('abort', calledOff);
      reject(cause instanceof ProtocolError ? cause : unreachable(address, { cause }));
      client.terminate();
    };
    const calledOff = (): void => fail(unreachable(address, { what: 'closed by us' }));
    const tooSlow = setTimeout(
      () => fail(noAnswer(address, 'connecting', limits.connectMs)),
      limits.connectMs,
    );
    limits.signal.addEventListener('abort', calledOff);
    client.on('upgrade', ({ socket }) => {
      below.socket = socket;
    });
    // For as long as it lives: an error without a listener would end the process.
    client.on('error', fail);
    client.once('open', () => {
      clearTimeout(tooSlow);
      limits.signal.removeEventListener('abort', calledOff);
      const send = carry(client, below, { events, limits });
      resolve({ channelBinding: webSocketBinding(address), ...send });
    });
  });
};

function carry(
  client: WebSocket,
  below: Below,
  { events, limits }: { readonly events: TransportEvents; readonly limits: TransportLimits },
): Pick<Transport, 'send' | 'gather' | 'close'> {
  let what = 'the hub closed the connection';
  let closed = false;
  /** Bytes that came since the last whole message. */
  let unfinished = 0;
  const refuse = (why: string): void => {
    what = why;
    client.terminate();
  };
  // Before `ws` reads the same bytes, so that a message it finds in them resets the count.
  below.socket?.prependListener('data', (bytes: Uint8Array) => {
    unfinished += bytes.length;
    if (unfinished > limits.frameBytes + READING_BYTES)
      refuse('the hub sent a frame over the limit');
  });
  client.on('message', (data, isBinary) => {
    unfinished = 0;
    if (closed) return;
    const text = isBinary || !(data instanceof Buffer) ? null : data.toString('utf8');
    if (text === null) refuse('the hub sent a message that is no frame');
    else if (text.length > limits.frameBytes) refuse('the hub sent a frame over the limit');
    else events.text(text);
  });
  client.once('close', (code) => events.lost({ what: `${what} (WebSocket closed with ${code})` }));
  const turn = new FrameTurn({
    defer: (flush) => void setImmediate(flush),
    write(texts) {
      for (const text of texts) if (client.readyState === client.OPEN) client.send(text);
    },
  });
  return {
    send: (text) => turn.send(text),
    gather: () => turn.gather(),
    close() {
      turn.flush();
      closed = true;
      client.close(1000);
      // Nobody waits for an end that may never answer.
      below.socket?.unref?.();
      const late = setTimeout(() => client.terminate(), CLOSING_MS);
      late.unref();
      client.once('close', () => clearTimeout(late));
    },
  };
}
