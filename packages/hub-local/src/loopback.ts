/**
 * A connection inside one process: the text of every frame goes through the same codec as on a
 * socket, in order, in a later turn of the event loop. Owns the two directions and their ends;
 * knows neither the hub's rules nor the client's.
 */
import { encodeFrame, NO_CHANNEL_BINDING, parseClientFrame } from '@agentmesh/protocol';
import type { ChannelTransport, HubFrame } from '@agentmesh/protocol';
import type { ServedConnection } from './connection.js';
import type { HubHost } from './hub-host.js';
import type { Link, Peer } from './link.js';

/** The client's end. */
export interface LoopbackClient {
  /** The text of one frame. */
  receive(text: string): void;
  /** Last call: the connection is over, whichever side closed it. */
  lost(): void;
  /** Time passes, about four times a second. */
  tick?(): void;
}

/** Both ends of one connection. */
export class Loopback {
  readonly #defer: HubHost['defer'];
  #client: LoopbackClient | null = null;
  #served: ServedConnection | null = null;
  #toHub: string[] = [];
  #toClient: string[] = [];
  #backlog = 0;
  #deferred = false;
  #hubClosed = false;
  #clientClosed = false;
  #over = false;

  constructor(defer: HubHost['defer']) {
    this.#defer = defer;
  }

  /** The client's way to send. */
  readonly transport: ChannelTransport = {
    send: (text) => {
      if (this.#over || this.#clientClosed) return;
      this.#toHub.push(text);
      this.#schedule();
    },
    close: () => {
      this.#clientClosed = true;
      this.#schedule();
    },
  };

  /** Joins the ends. `accept` greets at once. */
  join(client: LoopbackClient, accept: (peer: Peer) => ServedConnection): void {
    this.#client = client;
    const link = this.#link();
    this.#served = accept({ link, channelBinding: NO_CHANNEL_BINDING, remote: null });
  }

  #link(): Link {
    const backlog = (): number => this.#backlog;
    return {
      send: (frame) => this.#sendToClient(frame),
      close: () => {
        this.#hubClosed = true;
        this.#schedule();
      },
      get backlog() {
        return backlog();
      },
    };
  }

  #sendToClient(frame: HubFrame): void {
    if (this.#over || this.#hubClosed) return;
    const text = encodeFrame(frame);
    this.#backlog += text.length;
    this.#toClient.push(text);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#deferred || this.#over) return;
    this.#deferred = true;
    this.#defer(() => {
      this.#deferred = false;
      this.#turn();
    });
  }

  /** Carries over what was sent before this turn; what is sent meanwhile waits for the next. */
  #turn(): void {
    const toHub = this.#toHub;
    const toClient = this.#toClient;
    this.#toHub = [];
    this.#toClient = [];
    this.#backlog = 0;
    for (const text of toHub) {
      this.#served?.receive(parseClientFrame(text, this.#served.maxFrameLength), text);
    }
    for (const text of toClient) this.#client?.receive(text);
    if (toClient.length > 0) this.#served?.drained();
    const nothingLeft = this.#toHub.length === 0 && this.#toClient.length === 0;
    if (nothingLeft && (this.#hubClosed || this.#clientClosed)) this.#finish();
    else if (this.#hubClosed || this.#clientClosed) this.#schedule();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#served?.closed();
    this.#client?.lost();
  }
}
