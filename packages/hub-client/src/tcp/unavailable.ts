/**
 * TCP where there is none: browsers. Chosen by the import conditions of package.json; answers with
 * what to do instead.
 */
import { ProtocolError } from '@agentmesh/protocol';
import type { OpenTransport } from '../transport.js';

export const openTcp: OpenTransport = () =>
  Promise.reject(
    new ProtocolError('CONNECTION_LOST', {
      message: 'TCP is not available here: use transport "websocket" (wss://host/ws)',
    }),
  );
