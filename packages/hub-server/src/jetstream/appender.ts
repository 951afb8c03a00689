/**
 * Appends envelopes to queues in NATS: judged one by one as `HubQueueStore.commit` says, written
 * many at a time, each with one operation. Its id goes with it, so that NATS itself knows a
 * repetition again. Owns the judgement and what NATS's word is worth; memory of ids and ledgers are
 * owned by others.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { toBase64Url } from '@agentmesh/protocol';
import { RefusedBefore } from '@agentmesh/hub-local';
import type { AppendOutcome, NewEnvelope, OrderTicket, QueueQuota } from '@agentmesh/hub-local';
import type { Directory, RecipientRefusal } from './directory.js';
import { encodeNote, idKeyOf, noteOf } from './envelope-note.js';
import type { EnvelopeNote } from './envelope-note.js';
import { jetStreamErrorOf } from './jetstream-error.js';
import { MESSAGE_IDS, messageIdOf } from './layout.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';
import type { QueueLedger, QueueLedgers } from './queue-ledgers.js';
import { toldOf } from './remembered-ids.js';
import type { RememberedIds, Told } from './remembered-ids.js';
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
/** What has a number has been stored, or is lost: it is looked for once more. */
const LOOKED_MS = [0, 50];

const NOBODY: Recipient = { ledger: null, refusal: 'unknown_recipient' };

/** One commit's appends on their way. */
interface Batch {
  readonly rules: AppendRules;
  readonly outcomes: AppendOutcome[];
  /** There was no room for these: what follows them does not overtake them. */
  readonly refused: RefusedBefore;
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
    const batch: Batch = {
      rules,
      outcomes: [],
      refused: new RefusedBefore(),
      failure: null,
    };
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
    const undecided = new Set<OrderTicket>();
    for (const candidate of waiting) {
      const { idKey, ledger, envelope } = candidate;
      const { ticket = {}, after } = envelope;
      if (this.#isOvertaking(batch, candidate)) continue;
      if (seen.has(idKey) || (after !== undefined && undecided.has(after))) later.push(candidate);
      else if (ledger === null) refused.push(candidate);
      else if (ledger.reserve(envelope, batch.rules.quota)) admitted.push(candidate);
      else if (admitted.length > 0) later.push(candidate);
      else refused.push(candidate);
      if (admitted.at(-1) !== candidate) undecided.add(ticket);
      seen.add(idKey);
    }
    await this.#store(batch, admitted);
    await Promise.all(refused.map((candidate) => this.#refuse(batch, candidate, later)));
    return later.toSorted((a, b) => a.index - b.index);
  }

  /** Whether there was no room for the one before it, which then decides about it too. */
  #isOvertaking({ refused, outcomes }: Batch, { index, envelope }: Candidate): boolean {
    const outcome = refused.outcomeOf(envelope);
    if (outcome !== null) outcomes[index] = refused.note(envelope, outcome);
    return outcome !== null;
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
      else batch.outcomes[index] = batch.refused.note(envelope, { status: 'queue_full' });
    } catch (thrown) {
      this.#fail(batch, candidate, thrown);
    }
  }

  async #store(batch: Batch, admitted: readonly Candidate[]): Promise<void> {
    const familiar = admitted.filter((one) => this.#isFamiliar(one));
    const told = new Set<Candidate>();
    for (const one of familiar) if (await this.#repeated(batch, one)) told.add(one);
    // Published without a pause between them: a sender's envelopes keep their order.
    await Promise.all(admitted.flatMap((one) => (told.has(one) ? [] : [this.#put(batch, one)])));
    for (const { ledger, envelope } of admitted) ledger?.release(envelope);
  }

  /** Whether an envelope under its id was seen here. */
  #isFamiliar({ idKey, ledger }: Candidate): boolean {
    return this.#parts.ids.has(idKey) || (ledger?.find(idKey) ?? null) !== null;
  }

  /** Whether its outcome is decided: it is known here already, or nobody can say. */
  async #repeated(batch: Batch, candidate: Candidate): Promise<boolean> {
    try {
      const told = await this.#known(candidate, batch.rules.nowMs);
      if (told !== null) batch.outcomes[candidate.index] = told;
      return told !== null;
    } catch (thrown) {
      this.#fail(batch, candidate, thrown);
      return true;
    }
  }

  /** What is known here of an envelope under this id; null if it is to be seen nowhere. */
  async #known(candidate: Candidate, nowMs: number): Promise<Told | null> {
    const { note, idKey, ledger, envelope, refusal } = candidate;
    const { ids, envelopes, ledgers } = this.#parts;
    const told = ids.look(idKey, note, nowMs);
    if (told !== null) return told;
    // What takes nothing more may still hold what was appended before.
    const seq =
      refusal === 'revoked'
        ? await ledgers.locate(envelope.to, idKey)
        : (ledger?.find(idKey) ?? null);
    if (seq === null) return null;
    const found = await envelopes.find({ recipient: envelope.to, seq });
    return found === null ? null : toldOf({ ...found.note, seq }, note.digest, nowMs);
  }

  async #put(batch: Batch, candidate: Candidate): Promise<void> {
    const { index, envelope, note, idKey, ledger } = candidate;
    const { envelopes, ids } = this.#parts;
    try {
      const outcome = await this.#publish(candidate, batch.rules.nowMs);
      if (outcome === null) return this.#fail(batch, candidate, null);
      batch.outcomes[index] = outcome;
      if (outcome.status !== 'stored') return;
      const { seq } = outcome;
      const from = toBase64Url(envelope.from);
      ledger?.add(seq, { from, idKey, bytes: envelope.blob.length });
      envelopes.remember({ recipient: envelope.to, seq, note });
      ids.keep(idKey, note, seq);
    } catch (thrown) {
      this.#fail(batch, candidate, thrown);
    }
  }

  /**
   * Resolves once the envelope is in its queue; null if it cannot be put there. NATS remembers an
   * id from before it has replicated the message, and answers `duplicate` also when a leader was
   * lost in between and the message with it; and it says the same of one that has left its queue.
   * So its word is not enough: the envelope must be seen. Where it is not, it is put there under
   * another id: its recipient drops what it has had before.
   */
  async #publish(candidate: Candidate, nowMs: number): Promise<AppendOutcome | null> {
    const { link, layout } = this.#parts;
    const { envelope, note, idKey } = candidate;
    for (let tried = 0; tried < MESSAGE_IDS; tried++) {
      const ack = await link.publish(layout.queueSubject(envelope.to), envelope.blob, {
        messageId: messageIdOf(idKey, tried),
        note: encodeNote(note),
        patient: false,
      });
      if (ack === null) return null;
      const { seq } = ack;
      if (!ack.duplicate) return { status: 'stored', seq, follows: null };
      const seen = await this.#seen(candidate, seq, nowMs);
      if (seen !== null) return seen;
    }
    return null;
  }

  /** What an envelope says that NATS says it has; null if it shows up nowhere. */
  async #seen(candidate: Candidate, seq: number, nowMs: number): Promise<Told | null> {
    const { envelope, note, idKey } = candidate;
    const { envelopes, ledgers } = this.#parts;
    const at = async (place: number): Promise<Told | null> => {
      const lies = await envelopes.under(note, { recipient: envelope.to, seq: place });
      return lies === null ? null : toldOf({ ...lies, seq: place }, note.digest, nowMs);
    };
    const told = seq > 0 ? await at(seq) : null;
    if (told !== null) return told;
    for (const waitMs of seq > 0 ? LOOKED_MS : REPLICATION_MS) {
      await pause(waitMs);
      const place = await ledgers.locate(envelope.to, idKey);
      const found = place === null ? null : await at(place);
      if (found !== null) return found;
    }
    return null;
  }

  #fail(batch: Batch, { index, envelope }: Candidate, thrown: unknown): void {
    batch.failure ??= thrown;
    batch.outcomes[index] = batch.refused.note(envelope, { status: 'storage' });
  }
}

function hasRoom(ledger: QueueLedger, envelope: NewEnvelope, quota: QueueQuota): boolean {
  const fits = ledger.reserve(envelope, quota);
  if (fits) ledger.release(envelope);
  return fits;
}
