/**
 * Bundles as the hub serves them: asked for once, or until it answers. Owns that a revocation which
 * comes with one is kept before anybody looks at the bundle; checking it is the asker's.
 */
import type { Bundle } from '@agentmesh/crypto';
import type { HubLink } from '../hub/hub-link.js';
import type { Revocations } from './revocations.js';

/** What of a peer is asked for. */
export interface BundleRequest {
  /** Name or `am2…` address. */
  readonly peer: string;
  readonly oneTime: boolean;
}

/** The one place where bundles come in from the hub. */
export class BundleSource {
  readonly #link: HubLink;
  readonly #revocations: Revocations;

  constructor(link: HubLink, revocations: Revocations) {
    this.#link = link;
    this.#revocations = revocations;
  }

  /** The id of the hub that serves; null before the first connection. */
  get hubId(): Uint8Array | null {
    return this.#link.hubId;
  }

  /** Asks once, now; rejects with CONNECTION_LOST while the line is down. */
  async ask({ peer, oneTime }: BundleRequest): Promise<Bundle> {
    return this.#noticed(await this.#link.ask((hub) => hub.getBundle(peer, { oneTime })));
  }

  /** Asks until the hub answers. */
  async request({ peer, oneTime }: BundleRequest): Promise<Bundle> {
    return this.#noticed(await this.#link.request((hub) => hub.getBundle(peer, { oneTime })));
  }

  async #noticed(bundle: Bundle): Promise<Bundle> {
    await this.#revocations.noticeIn(bundle);
    return bundle;
  }
}
