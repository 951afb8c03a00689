/**
 * `NetworkHub`: a hub in other processes or on other machines, with the same interface as
 * `LocalHub`. Owns one hub's addresses and pinned key, and the connections of all agents that share
 * it.
 */
import { AgentMeshError, equalBytes, ProtocolError, ready } from '@agentmesh/protocol';
import type { Hub, HubConnection, HubCredentials, HubEvents } from '@agentmesh/protocol';
import { NetworkHubError } from './errors.js';
import { systemHost } from './host.js';
import type { ClientHost } from './host.js';
import { addressUrl } from './hub-addresses.js';
import { LastingConnection } from './lasting-connection.js';
import { settingsOf } from './options.js';
import type { NetworkHubOptions, NetworkHubSettings } from './options.js';

/**
 * A hub at one address or at several. Several agents may share one. The hub's key is pinned: given
 * as `hubKey`, or by an agent that knows it, or else at the first authentication (trust on first
 * use). All addresses have this one key: a hub that shows another is skipped.
 */
export class NetworkHub implements Hub {
  readonly #settings: NetworkHubSettings;
  readonly #host: ClientHost;
  readonly #connections = new Set<LastingConnection>();
  #hubKey: Uint8Array | null;
  #closed = false;

  /** Options, or a `ws:`, `wss:`, `tcp:` or `tcps:` URL, or several of them. */
  constructor(
    options: NetworkHubOptions | string | readonly string[],
    host: Partial<ClientHost> = {},
  ) {
    this.#settings = settingsOf(options);
    this.#host = { ...systemHost, ...host };
    this.#hubKey = this.#settings.hubKey;
  }

  /** Its addresses as URLs, as an invite names them. */
  get addresses(): readonly string[] {
    return this.#settings.addresses.map(addressUrl);
  }

  /** The pinned hub key (32 bytes); `null` before the first authentication if none was given. */
  get hubKey(): Uint8Array | null {
    return this.#hubKey?.slice() ?? null;
  }

  /**
   * Connects an agent; tries a silent hub for `connectTimeoutMs`. Rejects with HUB_KEY_CHANGED when
   * the hub proves another key than the pinned one: it has learnt nothing of the agent.
   */
  async connect(credentials: HubCredentials, events: HubEvents): Promise<HubConnection> {
    if (this.#closed) throw new NetworkHubError('HUB_CLOSED');
    await ready();
    // A key that the user wrote down counts more than one that an agent saw before: a move.
    const known = this.#settings.hubKey ?? credentials.hubKey;
    if (known !== undefined && this.#hubKey !== null && !equalBytes(known, this.#hubKey)) {
      throw new ProtocolError('HUB_KEY_CHANGED');
    }
    const connection: LastingConnection = new LastingConnection({
      settings: this.#settings,
      host: this.#host,
      credentials,
      events: guarded(events),
      hubKey: () => this.#hubKey ?? known ?? null,
      accepts: ({ hubKey }) => {
        this.#hubKey ??= hubKey;
        return equalBytes(this.#hubKey, hubKey);
      },
      ended: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    await connection.open();
    // News come only after our caller has the connection.
    this.#host.after(0, () => connection.start());
    return connection;
  }

  /** Ends every agent's connection; their `closed(null)` follows. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#connections].map((connection) => connection.close()));
  }
}

/**
 * A listener must not throw; one that does ends up as an uncaught error, not as a lost connection.
 */
function guarded(events: HubEvents): HubEvents {
  const call = (listener: () => void): void => {
    try {
      listener();
    } catch (error) {
      queueMicrotask(() => {
        throw error instanceof AgentMeshError
          ? error
          : new ProtocolError('INTERNAL', { cause: error });
      });
    }
  };
  return {
    authenticated: (session) => call(() => events.authenticated(session)),
    deliver: (delivery) => call(() => events.deliver(delivery)),
    notice: (notice) => call(() => events.notice(notice)),
    down: (error) => call(() => events.down(error)),
    closed: (error) => call(() => events.closed(error)),
  };
}
