/**
 * Envelopes in their streams: where one lies, what is known of it, and how it leaves. Owns a short
 * memory of what was appended or read here, so that an acknowledgement need not read it again.
 */
import { equalBytes, fromBase64Url } from '@agentmesh/protocol';
import type { QueueReference } from '@agentmesh/hub-local';
import { decodeNote, idKeyOf } from './envelope-note.js';
import type { EnvelopeNote } from './envelope-note.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';
import { RecentMap } from './recent-map.js';
import type { StreamEntry } from './stream-entry.js';
import type { QueueLedgers } from './queue-ledgers.js';

/** An envelope that is in its queue, without its content. */
export interface StoredEnvelope {
  readonly recipient: Uint8Array;
  readonly seq: number;
  readonly note: EnvelopeNote;
}

const REMEMBERED = 25_000;

/** What {@link StoredEnvelopes} works with. */
export interface EnvelopeParts {
  readonly link: NatsLink;
  readonly layout: Layout;
  readonly ledgers: QueueLedgers;
}

/** All envelopes. */
export class StoredEnvelopes {
  readonly #parts: EnvelopeParts;
  /** By stream and sequence; the oldest are forgotten first. */
  readonly #recent = new RecentMap<string, StoredEnvelope>(REMEMBERED);

  constructor(parts: EnvelopeParts) {
    this.#parts = parts;
  }

  streamOf(recipient: Uint8Array): string {
    const { layout } = this.#parts;
    return layout.queueStream(layout.shardOf(recipient));
  }

  remember(envelope: StoredEnvelope): void {
    this.#recent.set(this.#keyOf(envelope), envelope);
  }

  /** Null if it is gone, or lies in the queue of somebody else. */
  async find(reference: QueueReference): Promise<StoredEnvelope | null> {
    const recent = this.#recent.get(this.#keyOf(reference));
    const found = recent ?? (await this.#load(reference));
    return found !== null && equalBytes(found.recipient, reference.recipient) ? found : null;
  }

  /** The note of an envelope with this one's id, if NATS itself shows one there. */
  async under(note: EnvelopeNote, reference: QueueReference): Promise<EnvelopeNote | null> {
    const found = await this.#load(reference);
    return found !== null && equalBytes(idKeyOf(found.note), idKeyOf(note)) ? found.note : null;
  }

  /** Takes envelopes out of their queues; those that this very call removed. */
  async remove(envelopes: readonly StoredEnvelope[]): Promise<readonly StoredEnvelope[]> {
    const { link, ledgers } = this.#parts;
    const removed = await Promise.all(
      envelopes.map((envelope) => link.remove(this.streamOf(envelope.recipient), envelope.seq)),
    );
    for (const envelope of envelopes) {
      this.#recent.delete(this.#keyOf(envelope));
      ledgers.known(envelope.recipient)?.remove(envelope.seq);
    }
    return envelopes.filter((_, index) => removed[index] === true);
  }

  async #load({ recipient, seq }: QueueReference): Promise<StoredEnvelope | null> {
    const entry = await this.#parts.link.at(this.streamOf(recipient), seq);
    return entry === null ? null : storedEnvelopeOf(entry);
  }

  #keyOf({ recipient, seq }: QueueReference): string {
    return `${this.#parts.layout.shardOf(recipient)}.${seq}`;
  }
}

/** The recipient is the last part of the subject. */
export function storedEnvelopeOf({ seq, subject, note }: StreamEntry): StoredEnvelope {
  const recipient = fromBase64Url(subject.slice(subject.lastIndexOf('.') + 1));
  return { recipient, seq, note: decodeNote(note) };
}
