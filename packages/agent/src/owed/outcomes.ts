/**
 * Tells senders what became of their messages (protocol.md §2.10): each outcome is a row, written
 * with the removal of its message from the inbox and deleted with the commit of the message that
 * tells it, so that a restart forgets none. Owns the waiting and the bundling; what handlers do is
 * `dispatcher`'s.
 */
import { AgentMeshError, CONTENT_KIND, decodeContent, toHex, fromHex } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import type { Deliveries } from '../sending/deliveries.js';
import type { InboxRow } from '../message/inbox.js';
import { AGENT_LIMITS } from '../ground/limits.js';
import { decodeOutcomes, encodeOutcomes, OUTCOMES } from '../conversation/outcome.js';
import type { Outcome } from '../conversation/outcome.js';
import { inboxOrderOf, orderOf, outcomesOf, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { RowSweeper } from '../store/row-sweeper.js';
import type { Sender } from '../sending/sender.js';
import type { StoreOperation, StoreRow } from '../store/store.js';

/** What became of outcomes: the hub has them, they stay owed, or nobody is there to be told. */
type Telling = 'told' | 'owed' | 'void';

/** How a message ended here. */
export type Ending = Omit<Outcome, 'msgId'>;

/** The outcomes that one agent owes to others. Keys are aids in hex. */
export class Outcomes {
  readonly #context: AgentContext;
  readonly #sender: Sender;
  readonly #sweeper: RowSweeper;
  readonly #deliveries: Deliveries;
  readonly #timers = new Map<string, () => void>();
  /** Peers who are being told, and whether more has come for them meanwhile. */
  readonly #telling = new Map<string, boolean>();
  #stopped = false;

  constructor(parts: {
    readonly context: AgentContext;
    readonly sender: Sender;
    readonly sweeper: RowSweeper;
    readonly deliveries: Deliveries;
  }) {
    this.#context = parts.context;
    this.#sender = parts.sender;
    this.#sweeper = parts.sweeper;
    this.#deliveries = parts.deliveries;
  }

  /** Takes up what an earlier run owed. */
  async load(): Promise<void> {
    for await (const { key } of rowsUnder(this.#context.store, 'outcome')) {
      // A new message with the key of this one's would overwrite its outcome.
      this.#context.logs.skipTo('inbox', inboxOrderOf(key));
      this.due(fromHex(key.split('/')[1] ?? ''));
    }
  }

  /** What is to be written with the removal of this message from the inbox. */
  rowsOf(inboxKey: string, row: InboxRow, ending: Ending): readonly StoreOperation[] {
    if (this.#isOwn(row)) return [];
    return [
      {
        put: ROW.outcome(row.from, orderOf(inboxKey)),
        value: encodeOutcomes([outcomeOf(row, ending)]),
      },
    ];
  }

  /** That was written, or will be. */
  ended(row: InboxRow, ending: Ending): void {
    const { name } = this.#context;
    if (this.#isOwn(row)) this.#deliveries.ended([row.from], name, outcomeOf(row, ending));
    else this.due(row.from);
  }

  /** Something is owed to this peer: told soon, together with what comes meanwhile. */
  due(aid: Uint8Array): void {
    const key = toHex(aid);
    if (this.#stopped || this.#timers.has(key)) return;
    if (this.#telling.has(key)) {
      this.#telling.set(key, true);
      return;
    }
    const tell = (): void => void this.#tell(aid);
    this.#timers.set(key, this.#context.runtime.schedule(AGENT_LIMITS.outcomeMs, tell));
  }

  /** Tells everything that is owed now: before the agent goes. */
  async flush(): Promise<void> {
    const owed = [...this.#timers.keys()];
    await Promise.all(owed.map((key) => this.#tell(fromHex(key))));
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
  }

  /** One message with what is owed; the next one only once the hub has this one. */
  async #tell(aid: Uint8Array): Promise<void> {
    const key = toHex(aid);
    this.#timers.get(key)?.();
    this.#timers.delete(key);
    this.#telling.set(key, false);
    try {
      const rows = await this.#owedTo(aid);
      const telling = rows.length > 0 ? await this.#say(aid, rows) : 'owed';
      if (telling === 'void') for (const row of rows) this.#sweeper.delete(row.key);
      if (telling !== 'owed' && rows.length === OUTCOMES) this.#telling.set(key, true);
    } catch (error) {
      // The store has stopped the agent and says so itself.
      this.#context.log.debug('outcomes not told', { error: nameOf(error) });
    }
    const isMore = this.#telling.get(key) === true;
    this.#telling.delete(key);
    if (isMore) this.due(aid);
  }

  #isOwn({ from }: InboxRow): boolean {
    return this.#context.self.isOurs(from);
  }

  async #owedTo(aid: Uint8Array): Promise<readonly StoreRow[]> {
    await this.#sweeper.idle();
    return this.#context.store.range({ ...outcomesOf(aid), limit: OUTCOMES });
  }

  /** What could not be said stays owed, until the next time, if there is still a peer. */
  async #say(aid: Uint8Array, rows: readonly StoreRow[]): Promise<Telling> {
    const outcomes: Outcome[] = rows.flatMap(({ value }) => decodeOutcomes(value));
    const draft = { kind: CONTENT_KIND.outcome, body: encodeOutcomes(outcomes) };
    const spends = rows.map(({ key }) => key);
    try {
      await this.#sender.deliver(aid, draft, spends);
      return 'told';
    } catch (error) {
      const code = error instanceof AgentMeshError ? error.code : 'INTERNAL';
      this.#context.log.debug('outcomes not told', { code });
      return code === 'REVOKED' || code === 'UNKNOWN_PEER' ? 'void' : 'owed';
    }
  }
}

function outcomeOf({ content }: InboxRow, ending: Ending): Outcome {
  return { msgId: decodeContent(content).msgId, ...ending };
}
