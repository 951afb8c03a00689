/**
 * What a transport is to the hub: where frames go. Owns the interface only; sockets and the
 * in-process connection implement it.
 */
import type { ChannelBinding, HubFrame } from '@agentmesh/protocol';

/** One direction of one connection. No method throws. */
export interface Link {
  /** Takes a frame; the frames leave in the order of the calls. */
  send(frame: HubFrame): void;
  /** From now on frames of one turn may go together: the client has the feature `many`. */
  gather?(): void;
  /** Ends the connection after what was sent; more calls do nothing. */
  close(code: number, reason: string): void;
  /**
   * Bytes taken and not yet gone. Above a limit the hub pushes nothing more until the transport
   * calls `drained`; answers are still sent, so a transport stops reading while this is high.
   */
  readonly backlog: number;
}

/** A connection as its transport knows it. */
export interface Peer {
  readonly link: Link;
  /** As this end of the connection sees it (protocol.md §2.15). */
  readonly channelBinding: ChannelBinding;
  /** What shares the limits for strangers, usually an IP address; null for this process. */
  readonly remote: string | null;
}
