/**
 * TCP where there is none: browsers. Chosen by the import conditions of package.json; answers with
 * what to do instead.
 */
import { NetworkHubError } from '../errors.js';
import type { OpenTransport } from '../transport.js';

export const openTcp: OpenTransport = () =>
  Promise.reject(
    new NetworkHubError(
      'UNSUPPORTED_RUNTIME',
      'there is no TCP: use transport "websocket" (wss://host/ws)',
    ),
  );
