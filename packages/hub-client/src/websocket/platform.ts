/**
 * WebSocket where the platform brings a client of its own: browsers. One text message is one frame.
 * Chosen by the import conditions of package.json. Owns the socket; the browser bounds what it
 * holds of a message and how long a closing takes.
 */
import type { ProtocolError } from '@agentmesh/protocol';
import { noAnswer, unreachable } from '../connection-errors.js';
import { FrameTurn } from '../frame-turn.js';
import type { OpenTransport, Transport } from '../transport.js';
import { webSocketBinding, webSocketUrl } from './address.js';

export const openWebSocket: OpenTransport = (address, events, limits) =>
  new Promise<Transport>((resolve, reject) => {
    const socket = new WebSocket(webSocketUrl(address));
    let opened = false;
    let what = 'the hub closed the connection';
    const fail = (error: ProtocolError): void => {
      reject(error);
      socket.close();
    };
    const tooSlow = setTimeout(
      () => fail(noAnswer(address, 'connecting', limits.connectMs)),
      limits.connectMs,
    );
    const calledOff = (): void => fail(unreachable(address, { what: 'closed by us' }));
    const settled = (): void => {
      clearTimeout(tooSlow);
      limits.signal.removeEventListener('abort', calledOff);
    };
    limits.signal.addEventListener('abort', calledOff);
    socket.addEventListener('open', () => {
      settled();
      opened = true;
      const turn = new FrameTurn({
        // A page in the background has its timers slowed down.
        defer: (flush) => queueMicrotask(flush),
        write(texts) {
          for (const text of texts) if (socket.readyState === WebSocket.OPEN) socket.send(text);
        },
      });
      resolve({
        channelBinding: webSocketBinding(address),
        send: (text) => turn.send(text),
        gather: () => turn.gather(),
        close() {
          turn.flush();
          socket.close(1000);
        },
      });
    });
    socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (typeof data === 'string' && data.length <= limits.frameBytes) {
        events.text(data);
        return;
      }
      what = 'the hub sent a message that is no frame';
      socket.close();
    });
    socket.addEventListener('close', ({ code }) => {
      settled();
      if (opened) events.lost({ what: `${what} (WebSocket closed with ${code})` });
      else reject(unreachable(address, { what: `WebSocket closed with ${code}` }));
    });
  });
