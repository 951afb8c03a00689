/**
 * What follows from a message once it is committed (protocol.md §2.8 step 12): promises are kept,
 * handlers may go on, receipts are owed, and the application is told. Owns which part hears of
 * what; nothing here can refuse the message any more.
 */
import { equalBytes } from '@agentmesh/crypto';
import type { Revocation } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { loadPeer } from '../conversation/handshake.js';
import type { Received } from '../conversation/judge.js';
import type { Peer } from '../conversation/peer.js';
import type { Publisher } from '../keys/publisher.js';
import type { Behind } from '../owed/behind.js';
import type { Owed } from '../owed/owed.js';
import type { StoreAges } from '../owed/store-ages.js';
import type { Introductions } from '../peers/introductions.js';
import type { Revocations } from '../peers/revocations.js';
import type { Deliveries } from '../sending/deliveries.js';
import { sourceOf } from './arrivals.js';
import type { Dispatcher } from './dispatcher.js';
import type { Intake } from './intake.js';
import type { Strangers } from './strangers.js';

/** Who hears of a message. */
interface ConsequenceParts {
  readonly context: AgentContext;
  readonly introductions: Introductions;
  readonly deliveries: Deliveries;
  readonly dispatcher: Dispatcher;
  readonly intake: Intake;
  readonly publisher: Publisher;
  readonly revocations: Revocations;
  readonly owed: Owed;
  readonly behind: Behind;
  readonly storeAges: StoreAges;
  readonly strangers: Strangers;
}

/** What the messages of one agent's peers bring about. */
export class Consequences {
  readonly #parts: ConsequenceParts;

  constructor(parts: ConsequenceParts) {
    this.#parts = parts;
  }

  /** What an authentic, committed message brings about. */
  of(received: Received): void {
    const { context, deliveries, dispatcher, intake, owed, introductions, publisher } = this.#parts;
    const { peer, body, lost, droppedKeys, epoch } = received;
    const { aid } = peer.identity;
    deliveries.acknowledged(aid, epoch, received.acknowledged);
    for (const { number, id } of received.acknowledgedEarlier) {
      deliveries.acknowledgedEarlier({ aid, peer: peer.name, epoch, number, id });
    }
    if (body.kind === 'outcome' && !received.repeated) {
      const told = [aid, ...peer.formerly];
      for (const outcome of body.outcomes) deliveries.ended(told, peer.name, outcome);
    }
    this.#parts.strangers.heard(aid);
    if (received.isNew) introductions.met({ ...peer, trust: received.trust });
    if (received.instanceChanged) this.#parts.storeAges.peerChanged(peer, false);
    if (received.wentBack !== null) this.#parts.storeAges.wentBack(received.wentBack, peer);
    const { name } = peer;
    if (lost.length > 0) context.events.emit('gap', { peer: name, state: 'lost', ranges: lost });
    if (droppedKeys > 0) {
      context.log.warn('message keys dropped', { peer: peer.name, droppedKeys });
      context.events.emit('keysDropped', { peer: peer.name, count: droppedKeys });
    }
    if (received.prekeys !== null) publisher.used(received.prekeys);
    intake.follow(received);
    dispatcher.advance(aid, sourceOf(received), received.mark);
    if (body.kind === 'formerTalk' && !received.repeated) this.#parts.behind.heard(peer, body.word);
    if (body.kind === 'revocation') this.#revoked(body.revocation, peer);
    owed.after(peer, body.kind);
    // Numbers of a former identity are not said again: it asks for what the present one said.
    const isPresent = epoch === context.self.meta.numbersSince;
    if (body.kind === 'retry' && !received.repeated && isPresent) {
      owed.answerRetry(aid, body.ranges);
    }
  }

  /** The same for what a message holds that was said before, to or by a former identity. */
  ofEarlier(received: Received): void {
    const { dispatcher, intake } = this.#parts;
    if (received.repeated) return;
    intake.follow(received);
    dispatcher.advance(received.peer.identity.aid, sourceOf(received), received.mark);
  }

  /** A peer shows a revocation: its own, ours, or that of an identity that is known here. */
  #revoked(revocation: Revocation, { identity }: Peer): void {
    const { context, revocations } = this.#parts;
    const own = [identity, context.self.keyPair.identity].find(({ aid }) =>
      equalBytes(aid, revocation.aid),
    );
    const known = own ?? loadPeer(context.transaction(), revocation.aid);
    const learn = async (): Promise<void> => {
      const peer = await known;
      const whose = peer === null || 'aid' in peer ? peer : peer.identity;
      if (whose !== null) await revocations.learn(revocation, whose);
    };
    learn().catch((error: unknown) => {
      // The store says so itself.
      context.log.warn('revocation not kept', { error: nameOf(error) });
    });
  }
}
