/**
 * What NATS passes on of a queue as it stores it: each envelope, with the number of the one before.
 * The hub of its recipient hears it, and nobody else; it need not be read then. Owns how such a
 * message is read; one that is lost on the way is found in the queue, and one that no stream passes
 * on is refused.
 */
import type { HandedOver } from '@agentmesh/hub-local';
import { decodeNote } from './envelope-note.js';
import type { EnvelopeNote } from './envelope-note.js';
import { JetStreamStoreError } from './jetstream-error.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';
import type { StoredEnvelopes } from './stored-envelopes.js';
import type { PassedOn } from './stream-entry.js';

/** What it works with. */
export interface HandedOverParts {
  readonly link: NatsLink;
  readonly layout: Layout;
  readonly envelopes: StoredEnvelopes;
}

/** One per store whose streams pass on what they store. */
export class HandedOverEnvelopes {
  readonly #parts: HandedOverParts;

  constructor(parts: HandedOverParts) {
    this.#parts = parts;
  }

  /**
   * Hears of what is stored for one agent, until the returned function is called. STORE_CORRUPT to
   * `failed` for whatever else is published there.
   */
  attend(
    recipient: Uint8Array,
    hear: (stored: HandedOver) => void,
    failed: (error: unknown) => void,
  ): () => void {
    const { link, layout, envelopes } = this.#parts;
    return link.hearStored(layout.storedSubject(recipient), (stored) => {
      const note = stored === null ? null : noteIn(stored);
      if (stored === null || note === null) return failed(new JetStreamStoreError('STORE_CORRUPT'));
      const { entry, follows } = stored;
      const { seq, data: blob } = entry;
      envelopes.remember({ recipient, seq, note });
      const { id, from, tsMs, expiresMs } = note;
      hear({ seq, id, from, tsMs, expiresMs, blob, follows });
    });
  }
}

function noteIn({ entry }: PassedOn): EnvelopeNote | null {
  try {
    return decodeNote(entry.note);
  } catch {
    return null;
  }
}
