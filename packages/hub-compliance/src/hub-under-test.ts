/**
 * What the suites need of a hub and of a store. Owns the interfaces only; each hub and store brings
 * its own implementation in its test file.
 */
import type {
  CoreLimits,
  HubHost,
  HubStore,
  LoopbackClient,
  Registration,
} from '@agentmesh/hub-local';
import type { ChannelTransport, Hub } from '@agentmesh/protocol';

/** How a hub is to be set up. */
export interface HubSetup {
  readonly limits?: Partial<CoreLimits>;
  readonly registration?: Registration;
  readonly isBlocked?: (aid: Uint8Array) => boolean;
}

/** A running hub whose time the suite controls. */
export interface HubUnderTest {
  readonly hub: Hub;
  readonly clock: HubHost['clock'];
  /** A bare connection without TLS: texts of frames in and out. */
  open(client: LoopbackClient): Promise<ChannelTransport>;
  /** Resolves when the hub has done all that it can do without time passing. */
  rest(): Promise<void>;
  /** Lets time pass, for the hub and for clients made by `hub`. */
  advance(ms: number): Promise<void>;
  /** Sets the hub's clock forward in one step. */
  jump(ms: number): Promise<void>;
  /** Ends the hub as a crash would, and starts another one over the same store. */
  restart(): Promise<void>;
  /** As of {@link StoreUnderTest}: here another hub over the same store may be asked. */
  readonly forgetsGone?: boolean;
  stop(): Promise<void>;
}

/** Starts a hub with an empty store. */
export type StartHub = (setup: HubSetup) => Promise<HubUnderTest>;

/** An open store. */
export interface StoreUnderTest {
  readonly store: HubStore;
  /** Closes the store and opens it again, as a restart of the hub does. */
  reopen(): Promise<HubStore>;
  /**
   * Opened anew it has forgotten what has left its queue: that is stored again when it is sent
   * again, and its recipient drops it.
   */
  readonly forgetsGone?: boolean;
  dispose(): Promise<void>;
}

/** Opens an empty store. */
export type OpenStore = () => Promise<StoreUnderTest>;
