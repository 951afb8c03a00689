/**
 * What this store has sealed and never sent when it turns out that it may have gone back in time
 * (protocol.md §2.11 P6): it is taken back, and said again in the new run under a new number. Owns
 * the rows of the outbox that were taken back; none is lost, whoever said that time was.
 */
import { AgentMeshError, decodeContent } from '@agentmesh/crypto';
import { nameOf } from '../agent-context.js';
import type { AgentContext } from '../agent-context.js';
import { AgentError } from '../ground/errors.js';
import { encodeSentRow, fillerFor, loadSent } from '../conversation/sent-log.js';
import type { SentRow } from '../conversation/sent-log.js';
import { ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { StoreOperation } from '../store/store.js';
import type { Deliveries } from './deliveries.js';
import { decodeOutboxRow, encodeOutboxRow, entryOf, isExpired } from './outbox.js';
import type { OutboxEntry, OutboxRow } from './outbox.js';
import type { Sender } from './sender.js';
import { SAID_ANEW } from './speech.js';
import type { Transmitter } from './transmitter.js';

interface SealingParts {
  readonly context: AgentContext;
  readonly sender: Sender;
  readonly transmitter: Transmitter;
  readonly deliveries: Deliveries;
}

/** Seals anew for one agent. */
export class SealingAnew {
  readonly #parts: SealingParts;
  /** In order: not taken up yet, or nobody could be found to say it to. */
  readonly #waiting: OutboxEntry[] = [];

  constructor(parts: SealingParts) {
    this.#parts = parts;
  }

  /** Takes up what an earlier run left. */
  async load(): Promise<void> {
    for await (const { key, value } of rowsUnder(this.#parts.context.store, 'outbox')) {
      const row = decodeOutboxRow(value);
      if (row.form === 'takenBack') this.#waiting.push(entryOf(key, row));
    }
    this.start();
  }

  /**
   * Takes back what these openings have sealed, with the commit of these operations. Nobody seals
   * meanwhile. The numbers stay taken, but by nothing.
   */
  async takeBack(boots: ReadonlySet<number>): Promise<readonly StoreOperation[]> {
    const { context, transmitter, deliveries } = this.#parts;
    const tx = context.transaction();
    const operations: StoreOperation[] = [];
    const keys = new Set<string>();
    for await (const { key, value } of rowsUnder(context.store, 'outbox')) {
      const row = decodeOutboxRow(value);
      if (row.form === 'takenBack' || !boots.has(row.boot)) continue;
      const sent = await loadSent(tx, row.to, row);
      // Nobody could say it anew: the bytes are all that there is of it.
      if (sent === null) continue;
      keys.add(key);
      operations.push(...this.#takenBack(key, row, sent));
      deliveries.takenBack({ aid: row.to, epoch: row.epoch, number: row.number });
    }
    this.#waiting.push(...transmitter.takeOut(keys));
    return operations;
  }

  #takenBack(key: string, row: OutboxRow, sent: SentRow): readonly StoreOperation[] {
    // A repetition is kept, and asked for again.
    if (row.form === 'again') return [{ delete: key }];
    const { to, epoch, number } = row;
    const content = fillerFor(sent.content);
    const value = encodeOutboxRow({ ...row, form: 'takenBack', blob: sent.content });
    return [
      isSaidAnew(sent.content) ? { put: key, value } : { delete: key },
      { put: ROW.sent(to, epoch, number), value: encodeSentRow({ ...sent, content }) },
    ];
  }

  /** Says all of it, in order and before what is said from now on. */
  start(): void {
    for (const entry of this.#waiting.splice(0)) {
      // A store that fails has stopped the agent, and says so itself.
      void this.#say(entry).catch(() => undefined);
    }
  }

  async #say(entry: OutboxEntry): Promise<void> {
    const { context, sender } = this.#parts;
    const { key, to, settle } = entry;
    try {
      await sender.turn(to, async (speech) => {
        const bytes = await context.store.get(key);
        if (bytes === null) return;
        speech.spend([key]);
        speech.anew(decodeOutboxRow(bytes), settle);
      });
    } catch (error) {
      context.log.warn('message not sealed anew', { error: nameOf(error) });
      if (context.store.failure === null && isExpired(entry, context.runtime.now())) {
        await context.store.commit([{ delete: key }]);
        return settle?.(new AgentError('EXPIRED_UNSENT'));
      }
      // The row stays: the next connection or opening takes it up.
      if (error instanceof AgentMeshError) settle?.(error, 'stays');
      this.#waiting.push({ ...entry, settle: null });
    }
  }
}

function isSaidAnew(content: Uint8Array): boolean {
  const { kind } = decodeContent(content);
  return SAID_ANEW.some((each) => each === kind);
}
