/**
 * Which envelopes of a queue were tried before and when they are due again. A stored message cannot
 * be changed, so this lies beside it: one document per recipient, written once for a whole batch.
 * Owns that document; what is in it for envelopes that are gone has no meaning and is dropped at
 * the next change.
 */
import type { QueueReschedule } from '@agentmesh/hub-local';
import * as z from 'zod';
import type { DocumentKind, Documents } from './documents.js';
import type { Layout } from './layout.js';

const attemptsShape = z.record(z.string(), z.tuple([z.number(), z.number()]));
type AttemptsDocument = z.output<typeof attemptsShape>;

/** Number of the next delivery, and when. */
export interface Attempt {
  readonly attempt: number;
  readonly notBeforeMs: number;
}

const FIRST: Attempt = { attempt: 1, notBeforeMs: 0 };

/** Attempts of one queue at one moment. */
export class QueueAttempts {
  readonly #document: AttemptsDocument;

  constructor(document: AttemptsDocument) {
    this.#document = document;
  }

  of(seq: number): Attempt {
    const [attempt, notBeforeMs] = this.#document[`${seq}`] ?? [];
    return attempt === undefined || notBeforeMs === undefined ? FIRST : { attempt, notBeforeMs };
  }
}

/** Of all recipients. */
export class Attempts {
  readonly #documents: Documents;
  readonly #layout: Layout;
  readonly #kind: DocumentKind<AttemptsDocument>;

  constructor(documents: Documents, layout: Layout) {
    this.#documents = documents;
    this.#layout = layout;
    this.#kind = { stream: layout.agents, shape: attemptsShape };
  }

  async of(recipient: Uint8Array): Promise<QueueAttempts> {
    const subject = this.#layout.agentSubject('attempts', recipient);
    const stored = await this.#documents.get(this.#kind, subject);
    return new QueueAttempts(stored?.value ?? {});
  }

  /** `firstSeq` is the lowest sequence that is still in the queue. */
  async reschedule(
    recipient: Uint8Array,
    changes: readonly QueueReschedule[],
    firstSeq: number,
  ): Promise<void> {
    const subject = this.#layout.agentSubject('attempts', recipient);
    await this.#documents.update(this.#kind, subject, (stored) => {
      const kept = Object.entries(stored ?? {}).filter(([seq]) => Number(seq) >= firstSeq);
      const value: AttemptsDocument = Object.fromEntries(kept);
      for (const { seq, attempt, notBeforeMs } of changes) value[`${seq}`] = [attempt, notBeforeMs];
      return { value, result: null };
    });
  }
}
