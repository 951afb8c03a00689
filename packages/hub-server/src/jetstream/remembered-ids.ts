/**
 * Deduplication in NATS: one record per (sender, id), made before the envelope is stored and kept
 * to its own end, which may lie weeks behind NATS's own window. Owns the records and the answer;
 * where the envelope is while nobody removed it, only its queue knows.
 */
import { equalBytes } from '@agentmesh/protocol';
import { decodeIdRecord, encodeIdRecord, idKeyOf } from './envelope-note.js';
import type { EnvelopeNote, IdRecord } from './envelope-note.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';

/**
 * `fresh` and `begun`: append it, under this reservation; of a begun one the envelope may be stored
 * already. `settled`: it was stored with this sequence and has left its queue.
 */
export type Reservation =
  | { readonly status: 'fresh' | 'begun'; readonly revision: number }
  | { readonly status: 'settled'; readonly seq: number }
  | { readonly status: 'conflict' };

/** All remembered ids. */
export class RememberedIds {
  readonly #link: NatsLink;
  readonly #layout: Layout;

  constructor(link: NatsLink, layout: Layout) {
    this.#link = link;
    this.#layout = layout;
  }

  /** Binds the id to this envelope, or says what it is bound to. Of several hubs one binds. */
  async reserve(note: EnvelopeNote, nowMs: number): Promise<Reservation> {
    const record = encodeIdRecord({ ...note, seq: 0 });
    const subject = this.#layout.idSubject(idKeyOf(note));
    let expected = 0;
    for (;;) {
      const ack = await this.#link.publish(subject, record, { expected });
      if (ack !== null) return { status: 'fresh', revision: ack.seq };
      const found = await this.#find(note);
      if (found === null) expected = 0;
      else if (found.record.rememberUntilMs <= nowMs) expected = found.revision;
      else return judged(note, found);
    }
  }

  /** The same without binding anything; null if the id is free. */
  async look(note: EnvelopeNote, nowMs: number): Promise<Reservation | null> {
    const found = await this.#find(note);
    if (found === null || found.record.rememberUntilMs <= nowMs) return null;
    return judged(note, found);
  }

  /** Before an envelope leaves its queue: from now on the record itself knows where it lay. */
  async settle(note: EnvelopeNote, seq: number): Promise<void> {
    await this.#link.publish(
      this.#layout.idSubject(idKeyOf(note)),
      encodeIdRecord({ ...note, seq }),
    );
  }

  async #find(note: EnvelopeNote): Promise<{ record: IdRecord; revision: number } | null> {
    const key = idKeyOf(note);
    const stream = this.#layout.idStream(this.#layout.shardOf(key));
    const entry = await this.#link.last(stream, this.#layout.idSubject(key));
    return entry === null ? null : { record: decodeIdRecord(entry.data), revision: entry.seq };
  }
}

function judged(
  note: EnvelopeNote,
  { record, revision }: { record: IdRecord; revision: number },
): Reservation {
  if (!equalBytes(record.digest, note.digest)) return { status: 'conflict' };
  if (record.seq > 0) return { status: 'settled', seq: record.seq };
  return { status: 'begun', revision };
}
