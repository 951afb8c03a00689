/**
 * A sender that is killed, restored and set to another time again and again, and what a receiver
 * makes of its messages in any order: `settle` over a table of rows, without keys and hubs. Owns
 * the model of both; which histories there are is the test's.
 */
import type { IdentityRecord, SequenceRange } from '@agentmesh/crypto';
import { AgentMeshError, toHex } from '@agentmesh/crypto';
import type { Body } from '../src/conversation/body.js';
import { ackOf, decodePeer, newPeer } from '../src/conversation/peer.js';
import type { Peer } from '../src/conversation/peer.js';
import { holesOf, lineFrom, unheard, withLink } from '../src/conversation/run.js';
import type { RunLink } from '../src/conversation/sequence-window.js';
import { settle } from '../src/conversation/settle.js';
import type { OpenedMessage } from '../src/conversation/settle.js';
import type { Received } from '../src/conversation/judge.js';
import { positionOf } from '../src/receiving/arrivals.js';
import { ROW } from '../src/store/row-keys.js';
import { HandlingModel } from './handling-model.js';

const AID = new Uint8Array(32).fill(9);
const START_MS = 1_700_000_000_000;

/** One content, as its sender keeps it. */
interface Said {
  readonly number: number;
  readonly msgId: Uint8Array;
  readonly instance: Uint8Array;
  readonly boot: number;
  readonly sentAtMs: number;
  readonly body: Body;
}

/** One content on its way in a session. */
interface Sealed {
  readonly said: Said;
  readonly sid: Uint8Array;
  readonly generation: number;
}

/** What a store of the sender holds. */
interface SenderState {
  readonly instance: Uint8Array;
  readonly boot: number;
  /** Instance of the last number; null before the first one. */
  readonly lastInstance: Uint8Array | null;
  readonly next: number;
  readonly links: readonly RunLink[];
  readonly acked: number;
  readonly kept: ReadonlyMap<number, Said>;
  readonly sid: Uint8Array | null;
}

/** 16 bytes whose first and second half no other call gives. */
function unique(state: { drawn: number }): Uint8Array {
  const bytes = new Uint8Array(16);
  state.drawn += 1;
  for (const at of [0, 8, 12]) new DataView(bytes.buffer).setUint32(at, state.drawn);
  return bytes;
}

/** The next run of the one store that there is. */
function uniqueRun(state: { drawn: number }): Uint8Array {
  return unique(state).fill(5, 0, 8);
}

/** Both sides, and what is between them. */
export class RunModel {
  readonly #draw = { drawn: 0 };
  #sender: SenderState;
  #copy: SenderState | null = null;
  #generation = 0;
  /** What its clock is ahead. */
  #aheadMs = 0;
  #nowMs = START_MS;
  readonly onItsWay: Sealed[] = [];
  /** By msgId in hex: how often it was handled. */
  readonly handled = new Map<string, number>();
  /** msgIds of the application that left the sender, and of them those that did get to the hub. */
  readonly sent = new Set<string>();
  readonly #accepted = new Set<string>();
  /** Came in a session that had been dropped for later ones. */
  readonly #unread = new Set<string>();
  readonly clones: string[] = [];
  readonly handlers = new HandlingModel();
  readonly #rows = new Map<string, unknown>();
  #peer: Peer;

  constructor() {
    this.#sender = {
      instance: uniqueRun(this.#draw),
      boot: 1,
      lastInstance: null,
      next: 1,
      links: [],
      acked: 0,
      kept: new Map(),
      sid: null,
    };
    const identity = { signing: new Uint8Array(32), dh: new Uint8Array(32), aid: AID };
    const record = { identity, name: 'alice', revision: 1, bytes: new Uint8Array() };
    const standing = { trust: 'pinned', pinnedMs: 0, verifiedBy: null } as const;
    this.#peer = newPeer(record as unknown as IdentityRecord, standing, 1);
  }

  get peer(): Peer {
    return this.#peer;
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  /** Sets the sender's clock. */
  setClock(aheadMs: number): void {
    this.#aheadMs = aheadMs;
  }

  /** The sender is killed and begins a new run. */
  kill(step = 0): void {
    const { boot, ...before } = this.#sender;
    // No two runs begin within a millisecond.
    this.pass(1);
    this.#sender = { ...before, boot: boot + 1 + step, instance: uniqueRun(this.#draw), sid: null };
  }

  copy(): void {
    // A copy of before the first message knows nobody: it begins with number 1, as a new store.
    if (this.#sender.next > 1) this.#copy = this.#sender;
  }

  restore(step = 0): void {
    this.#sender = this.#copy ?? this.#sender;
    this.kill(step);
  }

  /** A message of the application, behind what its run has to say first. */
  say(isLost: boolean): void {
    this.#goOn(isLost);
    const { msgId } = this.#say({ kind: 'application', payload: {} }, isLost);
    this.sent.add(toHex(msgId));
    this.handlers.said(toHex(msgId));
    if (!isLost) this.#accepted.add(toHex(msgId));
  }

  #goOn(isLost: boolean): void {
    const { lastInstance, instance, next, links, acked } = this.#sender;
    if (lastInstance === null || toHex(lastInstance) === toHex(instance)) return;
    const line = withLink(links, { instance: lastInstance, number: next });
    this.#sender = { ...this.#sender, links: line };
    const word = { what: 'goesOn', ...lineFrom({ acked, keptFrom: 1 }, line) } as const;
    this.#say({ kind: 'run', word }, isLost);
  }

  nudge(): void {
    this.#say({ kind: 'nudge' }, false);
  }

  #say(body: Body, isLost: boolean): Said {
    const { instance, boot, next: number, kept } = this.#sender;
    const sentAtMs = this.#nowMs + this.#aheadMs;
    const said = { number, msgId: unique(this.#draw), instance, boot, sentAtMs, body };
    this.#seal(said, isLost);
    this.#sender = {
      ...this.#sender,
      lastInstance: instance,
      next: number + 1,
      kept: new Map([...kept, [number, said]]),
    };
    return said;
  }

  #seal(said: Said, isLost = false): void {
    if (this.#sender.sid === null) {
      this.#generation += 1;
      this.#sender = { ...this.#sender, sid: unique(this.#draw) };
    }
    const { sid } = this.#sender;
    if (!isLost && sid !== null) this.onItsWay.push({ said, sid, generation: this.#generation });
  }

  /** The receiver asks for what is missing; the sender says it again. */
  ask(): boolean {
    const ranges = holesOf(this.#peer, 1);
    this.#acknowledge();
    this.#answer(ranges);
    return ranges.length > 0;
  }

  /** What the receiver says to the sender's present run tells it how far that has come. */
  #acknowledge(): void {
    const { instance } = this.#peer;
    if (instance === null || toHex(instance) !== toHex(this.#sender.instance)) return;
    const acked = ackOf(this.#peer, 1);
    const links = unheard(this.#sender.links, acked);
    const kept = new Map([...this.#sender.kept].filter(([number]) => number > acked));
    this.#sender = { ...this.#sender, links, kept, acked };
  }

  #answer(ranges: readonly SequenceRange[]): void {
    if (ranges.length === 0) return;
    // First in its session comes something of its own run.
    this.#goOn(false);
    for (const [number, said] of this.#sender.kept) {
      if (ranges.some(({ from, to }) => from <= number && number <= to)) this.#seal(said);
    }
  }

  /** The hub delivers one of what is on its way; false if it was put off. */
  async deliver(at: number): Promise<boolean> {
    const [sealed] = this.onItsWay.splice(at % Math.max(1, this.onItsWay.length), 1);
    if (sealed === undefined) return true;
    const sid = toHex(sealed.sid);
    const isOpen = this.#peer.sessions.some((entry) => toHex(entry.sid) === sid);
    // A session that was dropped is never accepted again; whoever uses it is told so.
    if (!isOpen && this.#rows.has(ROW.usedSession(sealed.sid))) {
      const { sid: used } = this.#sender;
      if (used !== null && toHex(used) === sid) this.#sender = { ...this.#sender, sid: null };
      this.#unread.add(toHex(sealed.said.msgId));
      return true;
    }
    const rows = new Map(this.#rows);
    try {
      const opened = this.#opened(rows, sealed, isOpen);
      const settled = await settle(opened);
      this.#rows.clear();
      for (const [key, row] of rows) this.#rows.set(key, row);
      this.#peer = decodePeer(rows.get(ROW.peer(AID)) as Uint8Array);
      const id = toHex(sealed.said.msgId);
      if (!settled.repeated && sealed.said.body.kind === 'application') {
        this.handled.set(id, (this.handled.get(id) ?? 0) + 1);
        const { content } = opened.opened;
        const received = { peer: this.#peer, content, epoch: 1 } as Received;
        this.handlers.came(id, positionOf(received, opened.me.meta));
      }
      return true;
    } catch (error) {
      if (!(error instanceof AgentMeshError) || error.code !== 'CLONE_OR_ROLLBACK') throw error;
      this.clones.push(toHex(sealed.said.msgId));
      this.onItsWay.push(sealed);
      return false;
    }
  }

  #opened(rows: Map<string, unknown>, { said, sid, generation }: Sealed, isOpen: boolean) {
    const session = {
      sid,
      generation,
      role: 'responder',
      phase: 'established',
      usedOneTimePrekey: true,
      receiving: { ratchetKey: new Uint8Array(32) },
      skipped: [],
    };
    const { number: convSeq, msgId, instance, boot, sentAtMs } = said;
    const content = { convSeq, msgId, instance, boot, sentAtMs, peerAck: 0 };
    const first = isOpen ? {} : { signedPrekeyId: 1, oneTimePrekeyId: 1 };
    return {
      tx: tableOf(rows),
      me: {
        isFormer: false,
        nowMs: this.#nowMs,
        meta: { since: 1, numbersSince: 1, epoch: 1, prekeysFrom: 0, instance: new Uint8Array(16) },
      },
      policy: { mode: 'tofu' },
      isAwaited: () => true,
      peer: this.#peer,
      before: isOpen ? session : null,
      skipped: [],
      opened: { session, content, droppedKeys: 0, ...first },
      couldBegin: true,
      body: said.body,
    } as unknown as OpenedMessage;
  }

  /** Numbers that the receiver says it has, of which it does not: their sender drops them. */
  untrueAcks(): number[] {
    const { instance } = this.#peer;
    if (instance === null || toHex(instance) !== toHex(this.#sender.instance)) return [];
    const acked = ackOf(this.#peer, 1);
    return [...this.#sender.kept.values()]
      .filter(({ number, body }) => number <= acked && body.kind === 'application')
      .filter(({ msgId }) => !this.handled.has(toHex(msgId)))
      .map(({ number }) => number);
  }

  /**
   * What will never come: the present store of the sender keeps it, or the hub has accepted it.
   * What it keeps no more can be read only while its session is there.
   */
  missing(): string[] {
    const kept = [...this.#sender.kept.values()]
      .filter(({ body }) => body.kind === 'application')
      .map(({ msgId }) => toHex(msgId));
    const readable = [...this.#accepted].filter((id) => !this.#unread.has(id));
    return [...new Set([...kept, ...readable])].filter((id) => !this.handled.has(id));
  }

  twice(): string[] {
    return [...this.handled].filter(([, times]) => times > 1).map(([id]) => id);
  }

  /** Everything comes, the sender nudges, and what is missing is asked for. */
  async settle(): Promise<void> {
    for (let round = 0; round < 12; round++) {
      for (let left = this.onItsWay.length; left > 0; left--) await this.deliver(0);
      if (round % 3 === 0) this.nudge();
      this.pass(60_000);
      if (!this.ask() && round > 3 && this.onItsWay.length === 0) break;
    }
    while (this.handlers.takeNext());
  }
}

/** As much of a transaction as `settle` needs. */
function tableOf(rows: Map<string, unknown>) {
  return {
    get: (key: string) => Promise.resolve(rows.get(key) ?? null),
    read: (key: string, decode: (bytes: Uint8Array) => unknown) => {
      const row = rows.get(key);
      return Promise.resolve(row === undefined ? null : decode(row as Uint8Array));
    },
    put: (key: string, value: unknown) => void rows.set(key, value),
    putLate: (key: string, value: unknown, encode: (value: unknown) => Uint8Array) => {
      // Of a session nothing is looked at here but that it is there.
      rows.set(key, key.startsWith('session/') ? new Uint8Array() : encode(value));
    },
    delete: (key: string) => void rows.delete(key),
  };
}
