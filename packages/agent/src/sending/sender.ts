/**
 * What is said to peers, and in which order: everything to one peer after what was to be said to it
 * before, as much of it as waits with one commit. Owns these queues; finding a session is
 * `session-finder`'s, the commit `speech`'s, sending `transmitter`'s.
 */
import { AgentMeshError, CONTENT_KIND, toHex } from '@agentmesh/crypto';
import type { SequenceRange } from '@agentmesh/crypto';
import { receiptBody } from '../conversation/body.js';
import { isUnused } from '../conversation/compose.js';
import type { Composed, Draft } from '../conversation/compose.js';
import { outgoingOf } from '../conversation/outgoing.js';
import type { Peer } from '../conversation/peer.js';
import { IdentityChangedError, SucceededError } from '../ground/errors.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import type { Introductions } from '../peers/introductions.js';
import type { SessionFinder } from '../peers/session-finder.js';
import type { Post, Posted } from './post.js';
import { Repeats } from './repeats.js';
import { Speech } from './speech.js';
import type { SpeechParts, Turn } from './speech.js';

/** Something that waits to be said. */
interface Request {
  /** Says it; what is returned tells the caller once it is committed. */
  readonly say: (speech: Speech) => Promise<() => void>;
  /** Nothing was committed. */
  readonly fail: (error: unknown) => void;
  /** Whether nobody wants it said any more. */
  isDropped: boolean;
  /** Whether it is being said: whoever does not want it any more waits for the commit. */
  isBegun: boolean;
}

/** What the sender works with. */
interface SenderParts extends SpeechParts {
  readonly introductions: Introductions;
  readonly sessions: SessionFinder;
}

/** Says things to the peers of one agent. */
export class Sender {
  readonly #parts: SenderParts;
  /** By aid in hex: what waits to be said. */
  readonly #queues = new Map<string, Request[]>();
  readonly #repeats = new Repeats();

  constructor(parts: SenderParts) {
    this.#parts = parts;
  }

  /** Says a message of the application; resolves when it is committed. */
  post(aid: Uint8Array, post: Post): Promise<Posted> {
    return this.turn(aid, (speech) => speech.post(post), post.signal);
  }

  /** A message of the application for another channel, once it is committed. */
  seal(aid: Uint8Array, body: Uint8Array): Promise<Composed> {
    return this.turn(aid, (speech) => speech.seal(body));
  }

  /** Finds or begins a session with a peer, or with the one who has followed it. */
  reach(aid: Uint8Array): Promise<void> {
    return this.turn(aid, () => {});
  }

  /**
   * Says something for the agent itself, made when its turn comes; null when there is nothing to
   * say any more. Resolves once it is committed. Failures are told by the next thing that is said.
   */
  async tell(aid: Uint8Array, draftFor: (peer: Peer) => Draft | null): Promise<void> {
    try {
      await this.turn(aid, (speech) => {
        const draft = draftFor(speech.peer);
        if (draft !== null) speech.say(draft);
      });
    } catch (error) {
      const code = error instanceof AgentMeshError ? error.code : 'INTERNAL';
      this.#parts.context.log.debug('control message not sent', { code });
    }
  }

  /** The same with rows that are done with then; resolves when the hub has it durably. */
  deliver(aid: Uint8Array, draft: Draft, spends: readonly string[]): Promise<void> {
    return this.turn(aid, (speech) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      speech.say(draft, (refusal) => (refusal === null ? resolve() : reject(refusal)));
      speech.write(spends.map((key) => ({ delete: key })));
      // Awaited by the caller, not by what else is said with the same commit.
      return { promise };
    }).then(({ promise }) => promise);
  }

  /** Says one thing in a transaction begun elsewhere, and commits it. The peer's lock is held. */
  async sayIn(turn: Turn, draft: Draft): Promise<void> {
    const speech = new Speech(this.#parts, turn);
    speech.say(draft);
    await speech.commit();
  }

  /**
   * Answers a retry request: the same contents, sealed again. What is not kept any more is settled
   * by a receipt that names the floor.
   */
  async answerRetry(aid: Uint8Array, ranges: readonly SequenceRange[]): Promise<void> {
    using talk = await this.#parts.sessions.take(aid);
    const speech = new Speech(this.#parts, talk);
    const { keptFrom, next } = outgoingOf(talk.peer, talk.author.meta.numbersSince);
    // First in its session comes something of this run of our store, never of an earlier one.
    if (isUnused(talk) || ranges.some(({ from }) => from < keptFrom)) {
      speech.say({ kind: CONTENT_KIND.receipt, body: receiptBody(keptFrom - 1) });
    }
    const nowMs = this.#parts.context.waits();
    this.#repeats.forgetBelow(aid, keptFrom);
    const { numbersSince: epoch } = talk.author.meta;
    const may = (number: number): boolean => this.#repeats.may({ aid, epoch, number }, nowMs);
    let said = 0;
    for (const number of numbersIn(ranges, { from: keptFrom, to: next - 1 }, may)) {
      if (said >= AGENT_LIMITS.retryMessages || !may(number)) break;
      const bytes = await speech.again(number);
      this.#repeats.add({ aid, epoch, number }, { bytes, nowMs });
      said += 1;
    }
    // Beyond one answer's portion: by a newer number the peer sees what is missing, and asks.
    if (said >= AGENT_LIMITS.retryMessages) {
      speech.say({ kind: CONTENT_KIND.nudge, body: new Uint8Array() });
    }
    await speech.commit();
    if (talk.peer.outgoing.epoch === talk.author.meta.numbersSince) {
      this.#parts.retention.tellLost(talk.peer, ranges);
    }
  }

  /**
   * Says something after all that was to be said to this peer before; resolves with the task's
   * result once it is committed. What the task throws is of no consequence to others, if it has
   * said nothing yet. Where the signal is aborted before its turn, nothing is said, and it rejects
   * with the reason.
   */
  turn<T>(
    aid: Uint8Array,
    task: (speech: Speech) => T | Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const say = async (speech: Speech): Promise<() => void> => {
      try {
        const result = await task(speech);
        return () => resolve(result);
      } catch (error) {
        // This one cannot be said, such as one that is too large; the others can.
        return () => reject(error);
      }
    };
    const request: Request = { say, fail: reject, isDropped: false, isBegun: false };
    if (signal === undefined) {
      this.#add(aid, request);
      return promise;
    }
    const onAbort = (): void => {
      if (request.isBegun) return;
      request.isDropped = true;
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else this.#add(aid, request);
    return promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  #add(aid: Uint8Array, request: Request): void {
    const key = toHex(aid);
    const queue = this.#queues.get(key);
    if (queue !== undefined) {
      queue.push(request);
      return;
    }
    const first = [request];
    this.#queues.set(key, first);
    void this.#speakAll(key, aid, first);
  }

  async #speakAll(key: string, aid: Uint8Array, queue: Request[]): Promise<void> {
    while (queue.length > 0) {
      const requests = queue.splice(0, AGENT_LIMITS.commitMessages);
      try {
        await this.#speak(aid, requests);
      } catch (error) {
        await this.#divert(requests, error);
      }
    }
    this.#queues.delete(key);
  }

  /** Several requests with one commit, in a session found or begun for them. */
  async #speak(aid: Uint8Array, requests: readonly Request[]): Promise<void> {
    using talk = await this.#parts.sessions.take(aid);
    const speech = new Speech(this.#parts, talk);
    const said: (() => void)[] = [];
    const wanted = requests.filter(({ isDropped }) => !isDropped);
    for (const request of wanted) request.isBegun = true;
    for (const request of wanted) said.push(await request.say(speech));
    await speech.commit();
    for (const tell of said) tell();
  }

  /** To the identity that has followed the peer's, if that is why; else nothing was said. */
  async #divert(requests: readonly Request[], error: unknown): Promise<void> {
    try {
      const successor = await this.#successorBehind(error);
      for (const request of requests) {
        if (successor === null) request.fail(error);
        else this.#again(successor, request);
      }
    } catch (reason) {
      for (const { fail } of requests) fail(reason);
    }
  }

  /** Nothing of it was committed. */
  #again(aid: Uint8Array, request: Request): void {
    request.isBegun = false;
    this.#add(aid, request);
  }

  async #successorBehind(error: unknown): Promise<Uint8Array | null> {
    if (error instanceof SucceededError) return error.successor;
    return error instanceof IdentityChangedError ? this.#parts.introductions.decide(error) : null;
  }
}

/** Numbers of the ranges that are kept and may be sealed again, lowest first. */
function* numbersIn(
  ranges: readonly SequenceRange[],
  kept: SequenceRange,
  may: (number: number) => boolean,
): Iterable<number> {
  for (const { from, to } of ranges) {
    const last = Math.min(to, kept.to);
    for (let number = Math.max(from, kept.from); number <= last; number++) {
      if (may(number)) yield number;
    }
  }
}
