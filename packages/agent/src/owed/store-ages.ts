/**
 * What is told when a store is seen to have gone back in time by what a message says (protocol.md
 * §2.11 P6): to the application on both sides, and to the peer. Owns the telling; who sees it is
 * `settle`.
 */
import { addressOf, CONTENT_KIND } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import { encodeRunWord } from '../conversation/run.js';
import type { WentBack } from '../conversation/settle.js';
import type { Peer } from '../conversation/peer.js';
import type { Sender } from '../sending/sender.js';

/** What one agent tells of the age of its own store and of its peers' stores. */
export class StoreAges {
  readonly #context: AgentContext;
  readonly #sender: Sender;
  /** Our own is reported once for each opening. */
  #isTold = false;

  constructor(context: AgentContext, sender: Sender) {
    this.#context = context;
    this.#sender = sender;
  }

  /** A message was committed that shows whose store went back. */
  wentBack(found: WentBack, peer: Peer): void {
    if (found.whose === 'ours') return this.rolledBack();
    const body = encodeRunWord(found.word);
    this.peerChanged(peer, false);
    void this.#sender.tell(peer.identity.aid, () => ({ kind: CONTENT_KIND.run, body }));
  }

  /** A peer has another store, or an older one. `held`: until somebody approves it. */
  peerChanged({ name, identity }: Peer, held: boolean): void {
    const address = addressOf(identity.aid);
    this.#context.events.emit('peerInstanceChanged', { peer: name, address, held });
  }

  /** Our store went back: nothing of before is sent in any more, which has been seen to already. */
  rolledBack(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const { log, events, self } = this.#context;
    log.warn('store went back in time', { boot: self.meta.boot });
    events.emit('storeRollback', { boot: self.meta.boot });
  }
}
