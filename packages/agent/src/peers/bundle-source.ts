/**
 * Bundles as the hub serves them: asked for once, or until it answers. Owns that a revocation which
 * comes with one is kept before anybody looks at the bundle; checking it is the asker's.
 */
import type { Bundle } from '@agentmesh/crypto';
import { ProtocolError } from '@agentmesh/protocol';
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { HubLink } from '../hub/hub-link.js';
import { untilThere } from './peer-wait.js';
import type { Revocations } from './revocations.js';

const ADVICE =
  'check the spelling, listPeers() gives the names on the hub; for one that is about to start, ' +
  'wait with the option waitForPeer';

/** What of a peer is asked for. */
export interface BundleRequest {
  /** Name or `am2…` address. */
  readonly peer: string;
  readonly oneTime: boolean;
}

/** All bundles come in here from the hub. */
export class BundleSource {
  readonly #context: AgentContext;
  readonly #link: () => HubLink | null;
  readonly #revocations: Revocations;
  /** Until when agents come back to a hub that has lost them. */
  #returningUntilMs = 0;

  /** `link` gives null for an agent without a hub. */
  constructor(context: AgentContext, link: () => HubLink | null, revocations: Revocations) {
    this.#context = context;
    this.#link = link;
    this.#revocations = revocations;
  }

  /** Whether there is a hub to ask at all. */
  get hasHub(): boolean {
    return this.#link() !== null;
  }

  /** The id of the hub that serves; null before the first connection. */
  get hubId(): Uint8Array | null {
    return this.#link()?.hubId ?? null;
  }

  /** Asks once, now; rejects with CONNECTION_LOST while the connection is down, or NO_HUB. */
  async ask({ peer, oneTime }: BundleRequest): Promise<Bundle> {
    return this.#noticed(this.#hub().ask((hub) => hub.getBundle(peer, { oneTime })));
  }

  /**
   * Asks until the hub answers; rejects with NO_HUB. A hub that has lost some time may have lost
   * the peer with it: for a minute it is asked again before nobody is there.
   */
  async request({ peer, oneTime }: BundleRequest): Promise<Bundle> {
    const untilMs = (): number => this.#returningUntilMs;
    return untilThere(this.#context, untilMs, () =>
      this.#noticed(this.#hub().request((hub) => hub.getBundle(peer, { oneTime }))),
    );
  }

  /** The hub has lost some time: its agents publish again when they have noticed. */
  hubWentBack(): void {
    this.#returningUntilMs = this.#context.waits() + AGENT_LIMITS.hubReturnMs;
  }

  #hub(): HubLink {
    const link = this.#link();
    if (link === null) throw new AgentError('NO_HUB');
    return link;
  }

  async #noticed(asking: Promise<Bundle>): Promise<Bundle> {
    const bundle = await asking.catch(withAdvice);
    await this.#revocations.noticeIn(bundle);
    return bundle;
  }
}

/** A hub says that nobody is there; what a program can do about that is ours to say. */
function withAdvice(error: unknown): never {
  if (!(error instanceof ProtocolError) || error.code !== 'PEER_NOT_FOUND') throw error;
  throw new ProtocolError('PEER_NOT_FOUND', {
    message: `${error.message}: ${ADVICE}`,
    cause: error,
  });
}

/** Whether the hub has nobody of this name or address. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ProtocolError && error.code === 'PEER_NOT_FOUND';
}
