/**
 * A cable from clients to a `LocalHub` that a test can cut, hold and reconnect elsewhere. Frames go
 * through the hub's real core; only the wire is the test's.
 */
import { LocalHub } from '@agentmesh/hub-local';
import { NO_CHANNEL_BINDING, PROTOCOL_LIMITS, ProtocolError } from '@agentmesh/protocol';
import type { HubEvents } from '@agentmesh/protocol';
import type { ClientHost, OpenTransport, TransportEvents } from '../src/index.js';

interface Plug {
  readonly events: TransportEvents;
  readonly end: () => void;
}

export class Cable {
  hub: LocalHub;
  /** Connections tried since the beginning. */
  attempts = 0;
  /** What every new connection meets: the hub, or nobody. */
  connected = true;
  /** While true, nothing that the hub says arrives, and it is lost for good. */
  deaf = false;
  /** Types of frames that are lost on their way from the hub. */
  readonly loses = new Set<string>();
  readonly #plugs = new Set<Plug>();

  constructor(hub = new LocalHub()) {
    this.hub = hub;
  }

  readonly open: OpenTransport = async (_address, events) => {
    this.attempts += 1;
    if (!this.connected) throw new ProtocolError('CONNECTION_LOST', { detail: 'nobody there' });
    const client = {
      receive: (text: string) => {
        const { type } = JSON.parse(text) as { type: string };
        if (!this.deaf && !this.loses.has(type)) events.text(text);
      },
      lost: () => unplug('the hub closed the connection'),
    };
    const transport = await this.hub.open(client);
    const plug: Plug = { events, end: () => transport.close() };
    const unplug = (what: string): void => {
      if (this.#plugs.delete(plug)) events.lost({ what });
    };
    this.#plugs.add(plug);
    return {
      ...transport,
      channelBinding: NO_CHANNEL_BINDING,
      send: (text) => transport.send(text),
    };
  };

  /** Cuts every connection. */
  cut(): void {
    for (const plug of [...this.#plugs]) {
      this.#plugs.delete(plug);
      plug.end();
      plug.events.lost({ what: 'cut' });
    }
  }

  /** A client host with short waits over this cable. */
  host(): Partial<ClientHost> {
    return {
      open: this.open,
      after(delayMs, task) {
        // Waits are shortened; only the time a hub has for authenticating stays as it is.
        const isWait = delayMs !== PROTOCOL_LIMITS.authenticationMs;
        const timer = setTimeout(task, isWait ? Math.min(delayMs, 20) : delayMs);
        return () => clearTimeout(timer);
      },
    };
  }
}

/** Writes down what a connection tells, in order. */
export class Diary implements HubEvents {
  readonly news: string[] = [];
  readonly received: Uint8Array[] = [];
  readonly #waiting = new Set<() => void>();

  authenticated(): void {
    this.#note('authenticated');
  }

  deliver({ envelope }: Parameters<HubEvents['deliver']>[0]): void {
    this.received.push(envelope.blob);
    this.#note('deliver');
  }

  notice({ what }: Parameters<HubEvents['notice']>[0]): void {
    this.#note(what);
  }

  down(error: { readonly code: string }): void {
    this.#note(`down ${error.code}`);
  }

  closed(error: { readonly code: string } | null): void {
    this.#note(`closed ${error?.code ?? 'by us'}`);
  }

  /** Waits until this has been noted, from the beginning or from now on. */
  async until(text: string): Promise<void> {
    while (!this.news.includes(text)) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
    }
  }

  #note(text: string): void {
    this.news.push(text);
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
