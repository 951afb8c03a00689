/**
 * Appends envelopes to queues in NATS: judged one by one as `HubQueueStore.commit` says, written
 * many at a time. Two writes make an envelope durable: first its id is bound to it, then it is put
 * into the queue. A crash between them is repaired by the hub that sends it again.
 * Owns that order and the judgement; records and ledgers are owned by others.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { toBase64Url } from '@agentmesh/protocol';
import type { AppendOutcome, NewEnvelope, QueueQuota } from '@agentmesh/hub-local';
import type { Directory, RecipientRefusal } from './directory.js';
import { encodeNote, idKeyOf, noteOf } from './envelope-note.js';
import type { EnvelopeNote } from './envelope-note.js';
import { jetStreamErrorOf } from './jetstream-error.js';
import { MESSAGE_IDS, messageIdOf } from './layout.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';
import type { QueueLedger, QueueLedgers } from './queue-ledgers.js';
import type { RememberedIds, Reservation } from './remembered-ids.js';
import type { StoredEnvelopes } from './stored-envelopes.js';

/** What the appender works with. */
export interface AppenderParts {
  readonly link: NatsLink;
  readonly layout: Layout;
  readonly directory: Directory;
  readonly ids: RememberedIds;
  readonly ledgers: QueueLedgers;
  readonly envelopes: StoredEnvelopes;
}

/** Under which rules a batch is judged. */
export interface AppendRules {
  readonly nowMs: number;
  readonly quota: QueueQuota;
}

interface Candidate {
  readonly index: number;
  readonly envelope: NewEnvelope;
  readonly note: EnvelopeNote;
  readonly idKey: string;
  /** Null for a recipient that takes nothing. */
  readonly ledger: QueueLedger | null;
  readonly refusal: RecipientRefusal | null;
}

type Recipient = Pick<Candidate, 'ledger' | 'refusal'>;

/** Waits for what may still be on its way to the other nodes; longer than that takes. */
const REPLICATION_MS = [0, 50, 200, 750];

const NOBODY: Recipient = { ledger: null, refusal: 'unknown_recipient' };

/** One commit's appends on their way. */
interface Batch {
  readonly rules: AppendRules;
  readonly outcomes: AppendOutcome[];
  /** Why something could not be written. */
  failure: unknown;
}

/** One per store; one batch at a time. */
export class Appender {
  readonly #parts: AppenderParts;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
  }

  /** Rejects if nothing at all could be written; else such an envelope's outcome is `storage`. */
  async append(
    envelopes: readonly NewEnvelope[],
    rules: AppendRules,
  ): Promise<readonly AppendOutcome[]> {
    const batch: Batch = { rules, outcomes: [], failure: null };
    let waiting: readonly Candidate[] = await this.#candidates(envelopes, rules);
    while (waiting.length > 0) waiting = await this.#round(batch, waiting);
    const isLost = batch.outcomes.every(({ status }) => status === 'storage');
    if (batch.failure !== null && isLost) throw jetStreamErrorOf(batch.failure);
    return batch.outcomes;
  }

  async #candidates(
    envelopes: readonly NewEnvelope[],
    { nowMs, quota }: AppendRules,
  ): Promise<readonly Candidate[]> {
    const { directory, ledgers } = this.#parts;
    const recipients = new Map<string, Promise<Recipient>>();
    const recipientOf = async (to: Uint8Array): Promise<Recipient> => {
      const refusal = await directory.refusalOf(to, nowMs, quota.retiredMs);
      return { ledger: refusal === null ? await ledgers.of(to) : null, refusal };
    };
    for (const { to } of envelopes) {
      const key = toBase64Url(to);
      if (!recipients.has(key)) recipients.set(key, recipientOf(to));
    }
    return Promise.all(
      envelopes.map(async (envelope, index) => ({
        index,
        envelope,
        note: noteOf(envelope),
        idKey: toBase64Url(idKeyOf(envelope)),
        ...((await recipients.get(toBase64Url(envelope.to))) ?? NOBODY),
      })),
    );
  }

  /** Decides what can be decided now; the rest waits for what this round has changed. */
  async #round(batch: Batch, waiting: readonly Candidate[]): Promise<readonly Candidate[]> {
    const seen = new Set<string>();
    const admitted: Candidate[] = [];
    const later: Candidate[] = [];
    const refused: Candidate[] = [];
    for (const candidate of waiting) {
      const { idKey, ledger, envelope } = candidate;
      if (seen.has(idKey)) later.push(candidate);
      else if (ledger === null) refused.push(candidate);
      else if (ledger.reserve(envelope, batch.rules.quota)) admitted.push(candidate);
      else if (admitted.length > 0) later.push(candidate);
      else refused.push(candidate);
      seen.add(idKey);
    }
    await this.#store(batch, admitted);
    await Promise.all(refused.map((candidate) => this.#refuse(batch, candidate, later)));
    return later.toSorted((a, b) => a.index - b.index);
  }

  /** There is no room, or nobody to receive: unless it is known already. */
  async #refuse(batch: Batch, candidate: Candidate, later: Candidate[]): Promise<void> {
    const { index, envelope, refusal } = candidate;
    const { ledgers } = this.#parts;
    const { nowMs, quota } = batch.rules;
    try {
      const told = await this.#known(candidate, nowMs);
      if (told !== null) batch.outcomes[index] = told;
      else if (refusal !== null) batch.outcomes[index] = { status: refusal };
      else if (hasRoom(await ledgers.renew(envelope.to), envelope, quota)) later.push(candidate);
      else batch.outcomes[index] = { status: 'queue_full' };
    } catch (thrown) {
      this.#fail(batch, candidate, thrown);
    }
  }

  async #store(batch: Batch, admitted: readonly Candidate[]): Promise<void> {
    const reserved = await Promise.all(
      admitted.map((candidate) => this.#reserve(batch, candidate)),
    );
    // Published without a pause between them: a sender's envelopes keep their order.
    await Promise.all(
      admitted.flatMap((candidate, index) => {
        const revision = reserved[index] ?? null;
        return revision === null ? [] : [this.#put(batch, candidate, revision)];
      }),
    );
    for (const { ledger, envelope } of admitted) ledger?.release(envelope);
  }

  /** The reservation under which it is to be appended, or null if its outcome is decided. */
  async #reserve(batch: Batch, candidate: Candidate): Promise<number | null> {
    try {
      const { note, index } = candidate;
      const reservation = await this.#parts.ids.reserve(note, batch.rules.nowMs);
      const told = await this.#toldOf(candidate, reservation);
      if (told !== null) batch.outcomes[index] = told;
      else if ('revision' in reservation) return reservation.revision;
    } catch (thrown) {
      this.#fail(batch, candidate, thrown);
    }
    return null;
  }

  /** The outcome of an envelope that is there or was; null if it is to be seen nowhere. */
  async #known(candidate: Candidate, nowMs: number): Promise<AppendOutcome | null> {
    const known = await this.#parts.ids.look(candidate.note, nowMs);
    return known === null ? null : this.#toldOf(candidate, known);
  }

  /** The outcome that a remembered id decides; null if the envelope is still to be stored. */
  async #toldOf(
    { envelope, idKey, ledger }: Candidate,
    known: Reservation,
  ): Promise<AppendOutcome | null> {
    if (known.status === 'conflict') return { status: 'conflict' };
    if (known.status === 'settled') return { status: 'duplicate', seq: known.seq };
    if (known.status === 'fresh') return null;
    const seen = ledger?.find(idKey) ?? null;
    const seq = seen ?? (await this.#parts.ledgers.locate(envelope.to, idKey));
    return seq === null ? null : { status: 'duplicate', seq };
  }

  async #put(batch: Batch, candidate: Candidate, revision: number): Promise<void> {
    const { index, envelope, note, idKey, ledger } = candidate;
    const { envelopes } = this.#parts;
    try {
      const ack = await this.#publish(candidate, revision);
      if (ack === null) return this.#fail(batch, candidate, null);
      const { seq, duplicate } = ack;
      const from = toBase64Url(envelope.from);
      ledger?.add(seq, { from, idKey, bytes: envelope.blob.length });
      envelopes.remember({ recipient: envelope.to, seq, note });
      batch.outcomes[index] = duplicate
        ? { status: 'duplicate', seq }
        : { status: 'stored', seq, follows: null };
    } catch (thrown) {
      this.#fail(batch, candidate, thrown);
    }
  }

  /**
   * Resolves once the envelope is in its queue; null if it cannot be put there. NATS remembers an
   * id from before it has replicated the message, and answers `duplicate` also when a leader was
   * lost in between and the message with it. So its word is not enough: the envelope must be seen.
   * Where it is not, it is put there under another id.
   */
  async #publish(
    candidate: Candidate,
    revision: number,
  ): Promise<{ readonly seq: number; readonly duplicate: boolean } | null> {
    const { link, layout } = this.#parts;
    const { envelope, note, idKey } = candidate;
    for (let tried = 0; tried < MESSAGE_IDS; tried++) {
      const ack = await link.publish(layout.queueSubject(envelope.to), envelope.blob, {
        messageId: messageIdOf(idKey, revision, tried),
        note: encodeNote(note),
        patient: false,
      });
      if (ack === null || !ack.duplicate) return ack;
      const seq = await this.#seen(candidate, ack.seq);
      if (seq !== null) return { seq, duplicate: true };
    }
    return null;
  }

  /** Where an envelope lies or lay that NATS says it has; null if it shows up nowhere. */
  async #seen(candidate: Candidate, seq: number): Promise<number | null> {
    const { envelope, note } = candidate;
    const place = { recipient: envelope.to, seq, note };
    if (seq > 0 && (await this.#parts.envelopes.holds(place))) return seq;
    for (const waitMs of REPLICATION_MS) {
      await pause(waitMs);
      const told = await this.#known(candidate, 0);
      if (told?.status === 'duplicate') return told.seq;
    }
    return null;
  }

  #fail(batch: Batch, { index }: Candidate, thrown: unknown): void {
    batch.failure ??= thrown;
    batch.outcomes[index] = { status: 'storage' };
  }
}

function hasRoom(ledger: QueueLedger, envelope: NewEnvelope, quota: QueueQuota): boolean {
  const fits = ledger.reserve(envelope, quota);
  if (fits) ledger.release(envelope);
  return fits;
}
