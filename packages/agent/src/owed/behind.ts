/**
 * What was said in conversations of former identities, ours or a peer's, and was not acknowledged
 * in them (protocol.md §2.13): the present identities settle it. We ask what of it has come, and
 * say the rest again in the present conversation. Owns when that is asked, and what an answer ends;
 * a row of the store stands for each such conversation, so that a restart forgets none.
 */
import { CONTENT_KIND, decodeContent, equalBytes, LIMITS, toHex } from '@agentmesh/crypto';
import type { Content } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { ASKED, encodeFormerWord, isAmong, saidBefore } from '../conversation/former-talk.js';
import { SAID_BEFORE_BYTES } from '../conversation/former-talk.js';
import type { FormerWord, Place, TalkEnds } from '../conversation/former-talk.js';
import { hasCome } from '../conversation/former-heard.js';
import { loadPeer, loadPresentPeer } from '../conversation/handshake.js';
import { aidsOf } from '../conversation/peer.js';
import type { Peer } from '../conversation/peer.js';
import { applicationId, decodeSentRow, isOld, leftMs } from '../conversation/sent-log.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { SAID_ANEW } from '../sending/speech.js';
import type { FormerRow, Speech } from '../sending/speech.js';
import type { Deliveries, Sent } from '../sending/deliveries.js';
import type { Retention } from '../sending/retention.js';
import type { Sender } from '../sending/sender.js';
import { behindOf, formerTalkOf, numberOfSent, ROW, sentIn, under } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import { Debt } from './debt.js';
import type { Next } from './debt.js';

type Asks = Extract<FormerWord, { what: 'asks' }>;
type Answers = Extract<FormerWord, { what: 'answers' }>;

/** A content that is kept of such a conversation. */
interface Kept extends FormerRow {
  readonly content: Content;
}

interface BehindParts {
  readonly context: AgentContext;
  readonly sender: Sender;
  readonly deliveries: Deliveries;
  readonly retention: Retention;
}

/** Former conversations of one agent. */
export class Behind {
  readonly #context: AgentContext;
  readonly #parts: BehindParts;
  readonly #debt: Debt;

  constructor(parts: BehindParts) {
    this.#context = parts.context;
    this.#parts = parts;
    const { behindMs: firstMs, behindAttempts: attempts } = AGENT_LIMITS;
    const say = (aid: Uint8Array): Promise<Next> => this.#ask(aid);
    this.#debt = new Debt(parts.context.runtime, { firstMs, attempts, say });
  }

  /** Takes up what is not settled, also after a change of identity. */
  async load(): Promise<void> {
    this.#debt.start();
    for await (const { key } of rowsUnder(this.#context.store, 'behind')) {
      this.#debt.dueAnew(formerTalkOf(key).aid);
    }
  }

  /** Another identity of a peer has followed this one. */
  followed(previous: Uint8Array): void {
    this.#debt.dueAnew(previous);
  }

  /** What is too old is given up, also where nobody is asked any more. */
  async sweep(): Promise<void> {
    for await (const { key } of rowsUnder(this.#context.store, 'behind')) {
      const { aid, epoch } = formerTalkOf(key);
      if ((await this.#kept(aid, epoch)).length === 0) await this.#end(aid, epoch);
    }
  }

  stop(): void {
    this.#debt.stop();
  }

  /** A peer says something about such a conversation; it is committed. */
  heard(peer: Peer, word: FormerWord): void {
    const answer = word.what === 'asks' ? this.#answer(peer, word) : this.#settle(peer, word);
    answer.catch((error: unknown) => {
      // The peer asks again, or we do; a store that fails has stopped the agent.
      this.#context.log.debug('former conversation not settled', { error: nameOf(error) });
    });
  }

  /** Of each of its conversations the first messages that are kept. */
  async #ask(aid: Uint8Array): Promise<Next> {
    try {
      const { from, to } = under(behindOf(aid));
      const rows = await this.#context.store.range({ from, to, limit: ASKED });
      let isOpen = false;
      for (const { key } of rows) {
        isOpen = (await this.#askAbout(aid, formerTalkOf(key).epoch)) || isOpen;
      }
      return isOpen ? 'again' : 'done';
    } catch (error) {
      this.#context.log.debug('former conversation not asked about', { error: nameOf(error) });
      return this.#context.closed || this.#context.store.failure !== null ? 'done' : 'again';
    }
  }

  /** False when nothing of it is kept any more. */
  async #askAbout(aid: Uint8Array, epoch: number): Promise<boolean> {
    const speaker = this.#speakerIn(epoch);
    const kept = speaker === null ? [] : await this.#kept(aid, epoch);
    if (speaker === null || kept.length === 0) {
      await this.#end(aid, epoch);
      return false;
    }
    const places: readonly Place[] = kept.map(({ content }) => content);
    const body = encodeFormerWord({ what: 'asks', speaker, to: aid, places });
    await this.#parts.sender.turn(aid, (speech) =>
      speech.say({ kind: CONTENT_KIND.formerTalk, body }),
    );
    return true;
  }

  /** The first that are to be settled; what nobody misses goes. */
  async #kept(aid: Uint8Array, epoch: number): Promise<readonly Kept[]> {
    const { context } = this.#parts;
    const range = sentIn(aid, epoch);
    for (;;) {
      const rows = await context.store.range({ ...range, limit: ASKED });
      const all = rows.map(({ key, value }): Kept => {
        const sent = decodeSentRow(value);
        return {
          aid,
          epoch,
          number: numberOfSent(key),
          sent,
          content: decodeContent(sent.content),
        };
      });
      const kept = all.filter((row) => this.#isWanted(row));
      if (kept.length > 0 || rows.length === 0) return withinPortion(kept);
      await this.#drop(all);
    }
  }

  #isWanted({ sent, content }: Kept): boolean {
    return SAID_ANEW.some((kind) => kind === content.kind) && !isOld(sent, this.#times());
  }

  #times(): { readonly ourMs: number; readonly hubMs: number } {
    const ourMs = this.#context.runtime.now();
    return { ourMs, hubMs: this.#context.hubClock.toHub(ourMs) };
  }

  /** Too old, or nothing that is said twice. */
  async #drop(rows: readonly Kept[]): Promise<void> {
    const { context, retention } = this.#parts;
    await context.store.commit(
      rows.map(({ aid, epoch, number }) => ({ delete: ROW.sent(aid, epoch, number) })),
    );
    for (const row of rows) {
      const { content, sent } = row;
      if (SAID_ANEW.some((kind) => kind === content.kind)) {
        retention.tellExpired(await this.#placeOf(row), sent);
      }
    }
  }

  async #placeOf({ aid, epoch, number }: Kept): Promise<Omit<Sent, 'id'>> {
    const peer = await loadPeer(this.#context.transaction(), aid);
    return { aid, peer: peer?.name ?? '', epoch, number };
  }

  async #end(aid: Uint8Array, epoch: number): Promise<void> {
    const key = toHex(aid);
    await this.#context.peers.run(key, async () => {
      const tx = this.#context.transaction();
      const peer = await loadPeer(tx, aid);
      tx.delete(ROW.behind(aid, epoch));
      const left = await this.#context.store.range({ ...sentIn(aid, epoch), limit: Infinity });
      for (const row of left) tx.delete(row.key);
      if (peer?.succeededBy !== null) tx.delete(ROW.unacked(aid));
      await tx.commit();
    });
  }

  /** The identity of ours that spoke in an epoch; null if it is not known any more. */
  #speakerIn(epoch: number): Uint8Array | null {
    const { self } = this.#context;
    if (epoch === self.meta.numbersSince) return self.aid;
    const former = self.formers.find(({ numbersSince }) => numbersSince === epoch);
    return former?.keyPair.identity.aid ?? null;
  }

  /** Says what of these has come. */
  async #answer(asker: Peer, { speaker, to, places }: Asks): Promise<void> {
    const { context, sender } = this.#parts;
    const tx = context.transaction();
    const peer = await loadPeer(tx, speaker);
    // Of one that is not known nothing has come.
    const present = peer === null ? asker : await loadPresentPeer(tx, speaker);
    const isOfAsker =
      isAmong(speaker, aidsOf(asker)) ||
      (present !== null && equalBytes(present.identity.aid, asker.identity.aid));
    if (!isOfAsker) return;
    const since = context.self.authorFor(to)?.meta.since ?? null;
    const had: Uint8Array[] = [];
    const lacks: Uint8Array[] = [];
    for (const { convSeq: number, instance, msgId } of places) {
      const isKnown =
        peer !== null &&
        since !== null &&
        (await hasCome(tx, peer, { key: { since, instance }, heard: { number, msgId } }));
      (isKnown ? had : lacks).push(msgId);
    }
    const body = encodeFormerWord({ what: 'answers', speaker, to, had, lacks });
    await sender.tell(asker.identity.aid, () => ({ kind: CONTENT_KIND.formerTalk, body }));
  }

  /** What has come is settled; what has not is said again. */
  async #settle(peer: Peer, { speaker, to, had, lacks }: Answers): Promise<void> {
    const { sender } = this.#parts;
    const epoch = this.#epochOf(speaker);
    const isPresent =
      equalBytes(to, peer.identity.aid) && epoch === this.#context.self.meta.numbersSince;
    if (epoch === null || isPresent || !isAmong(to, aidsOf(peer))) return;
    const kept = await this.#kept(to, epoch);
    const named = (ids: readonly Uint8Array[]): readonly Kept[] =>
      kept.filter(({ content }) => isAmong(content.msgId, ids));
    await sender.turn(to, (speech) => {
      for (const row of named(had)) this.#had(speech, peer.name, row);
      for (const row of named(lacks)) this.#sayAgain(speech, { speaker, to }, row);
    });
    this.#debt.forgive(to);
    this.#debt.dueSoon(to, 0);
  }

  #epochOf(speaker: Uint8Array): number | null {
    const { self } = this.#context;
    if (equalBytes(speaker, self.aid)) return self.meta.numbersSince;
    const former = self.formers.find(({ keyPair }) => equalBytes(keyPair.identity.aid, speaker));
    return former?.numbersSince ?? null;
  }

  #had(speech: Speech, peer: string, { aid, epoch, number, sent }: Kept): void {
    speech.write([{ delete: ROW.sent(aid, epoch, number) }]);
    const id = applicationId(sent);
    if (id === null) return;
    speech.afterwards(() => this.#parts.deliveries.had({ aid, peer, epoch, number, id }));
  }

  #sayAgain(speech: Speech, ends: TalkEnds, row: Kept): void {
    const { retention } = this.#parts;
    const { aid, epoch, number, sent, content } = row;
    const place = { aid, peer: speech.peer.name, epoch, number };
    const { application, callFrames } = CONTENT_KIND;
    const isHeld = content.kind === application || content.kind === callFrames;
    const { body, msgId } = content;
    // Of its time nothing is left, or it has no room for where it was said first.
    const isOver = leftMs(sent, this.#times()) < 1_000;
    if (isOver || (isHeld && body.length + SAID_BEFORE_BYTES > LIMITS.bodyBytes)) {
      speech.write([{ delete: ROW.sent(aid, epoch, number) }]);
      speech.afterwards(() => retention.tellExpired(place, sent));
      return;
    }
    const kind = SAID_ANEW.find((each) => each === content.kind);
    if (kind === undefined) return;
    const draft = isHeld ? saidBefore(ends, content) : { kind, body };
    speech.before(row, { ...draft, msgId });
  }
}

/** As much as is said again at once. */
function withinPortion(kept: readonly Kept[]): readonly Kept[] {
  let bytes = 0;
  return kept.filter(({ sent }, at) => {
    bytes += sent.content.length;
    return at === 0 || bytes <= AGENT_LIMITS.behindBytes;
  });
}
