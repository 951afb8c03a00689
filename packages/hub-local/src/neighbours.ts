/**
 * What hubs that share a store have besides it: a way to each other (hub.md §4). Owns the contract.
 * Whatever goes this way is a hint that may be lost; the truth is in the store, and who missed a
 * hint finds it there a little later. What a hub does with it is `neighbourhood`.
 */

/** The other hubs over one store, as one of them sees them. */
export interface HubNeighbours {
  /** Tells all others; lost without a word when they are out of reach. */
  tell(news: HubNews): void;
  /** Hears what others tell, until the returned function is called. One listener at a time. */
  listen(listener: NeighbourListener): () => void;
  /** Which connection of an identity may live, by what the store says. */
  standing(aid: Uint8Array): Promise<AgentStanding>;
  /**
   * Hears of each envelope for an agent as it is stored, by whichever hub, until the returned
   * function is called. What is read after this call and what is heard have no gap between them,
   * unless something is lost on the way: then `follows` of the next one shows it. A store that has
   * this needs no hints of `stored`, and hands over what this hub itself stores in the same way.
   * What comes that way and is no envelope goes to `failed`, which must not throw.
   */
  attend?:
    | ((
        aid: Uint8Array,
        hear: (stored: HandedOver) => void,
        failed: (error: unknown) => void,
      ) => () => void)
    | undefined;
}

/** An envelope that was stored a moment ago. */
export interface HandedOver {
  readonly seq: number;
  readonly id: Uint8Array;
  readonly from: Uint8Array;
  readonly tsMs: number;
  readonly expiresMs: number;
  readonly blob: Uint8Array;
  /** `seq` of the last envelope of the queue that waited before it; 0 for none. */
  readonly follows: number;
}

/** What decides over connections of one identity. */
export interface AgentStanding {
  /** The highest `connection` that a claim of it was given; 0 for none. */
  readonly newestConnection: number;
  /** Then none of them may live. */
  readonly revoked: boolean;
}

/** An envelope that its recipient has put off because somebody has to decide first. */
export interface PutOff {
  readonly sender: Uint8Array;
  readonly id: Uint8Array;
  readonly reason: string;
}

/** What others may want to know at once. */
export interface HubNews {
  /** Recipients for whom an envelope was stored, or is to be looked for again. */
  readonly stored: readonly Uint8Array[];
  /** Senders for whom a notice was stored. */
  readonly noticed: readonly Uint8Array[];
  /** One-time prekeys that were asked for: they count for every hub's fetch limits. */
  readonly fetched: readonly { readonly requester: Uint8Array; readonly target: Uint8Array }[];
  /** Senders whose envelopes wait for a decision of their recipients, as `notice` says it. */
  readonly putOff: readonly PutOff[];
  /** Identities that are void from now on. */
  readonly revoked: readonly Uint8Array[];
}

/** What a hub is told by the others. */
export interface NeighbourListener {
  /** Whether an agent has a connection here. */
  isConnected(aid: Uint8Array): boolean;
  heard(news: HubNews): void;
  /**
   * An identity made a newer connection elsewhere: older ones end here. Resolves when all that they
   * held is back in its queue, with what the identity had spent of its rates, which moves there.
   */
  displaced(aid: Uint8Array, connection: number): Promise<AgentSpending>;
  /** Something may have been lost: time to look into the store. */
  missed(): void;
}

/** Tokens that are missing in an agent's buckets; names as in `HubRates`. */
export interface AgentSpending {
  readonly sends: number;
  readonly sendBytes: number;
  readonly requests: number;
  readonly refusals: number;
}
