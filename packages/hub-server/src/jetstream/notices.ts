/**
 * Notices to senders in NATS (`HubQueueStore`): one stream, a subject per sender; a notice's place
 * in the stream is its sequence. Owns the stream. They are removed one by one: NATS before 2.9.18
 * may lose a whole stream when a partial purge is followed by a restart.
 */
import type { NoticeQuery, StoredNotice } from '@agentmesh/hub-local';
import { fromBase64Url, toBase64Url } from '@agentmesh/protocol';
import * as z from 'zod';
import type { EnvelopeNote } from './envelope-note.js';
import { idKeyOf } from './envelope-note.js';
import { JetStreamStoreError } from './jetstream-error.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';
import type { StreamEntry } from './stream-entry.js';

const noticeShape = z.object({
  id: z.base64url(),
  what: z.enum(['expired', 'dead_lettered']),
  writtenMs: z.number(),
});

/** See `HubQueueStore` for what each method promises. */
export class Notices {
  readonly #link: NatsLink;
  readonly #layout: Layout;

  constructor(link: NatsLink, layout: Layout) {
    this.#link = link;
    this.#layout = layout;
  }

  /** Written once for an envelope in a queue, also if the hub has to begin again. */
  async write(
    { note, seq }: { readonly note: EnvelopeNote; readonly seq: number },
    what: StoredNotice['what'],
    writtenMs: number,
  ): Promise<void> {
    const text = JSON.stringify({ id: toBase64Url(note.id), what, writtenMs });
    const messageId = `${toBase64Url(idKeyOf(note))}.${seq}`;
    const subject = this.#layout.noticeSubject(note.from);
    await this.#link.publish(subject, new TextEncoder().encode(text), { messageId });
  }

  async read({ sender, after, max }: NoticeQuery): Promise<readonly StoredNotice[]> {
    const found: StoredNotice[] = [];
    let from = after + 1;
    while (found.length < max) {
      const entry = await this.#next(this.#layout.noticeSubject(sender), from);
      if (entry === null) break;
      const { id, what } = decoded(entry);
      found.push({ seq: entry.seq, id: fromBase64Url(id), what });
      from = entry.seq + 1;
    }
    return found;
  }

  async drop(sender: Uint8Array, upTo: number): Promise<void> {
    for (;;) {
      const entry = await this.#next(this.#layout.noticeSubject(sender), 1);
      if (entry === null || entry.seq > upTo) return;
      await this.#link.remove(this.#layout.notices, entry.seq);
    }
  }

  /** Removes up to `max` that were written before; whether more of them are left. */
  async forget(writtenBeforeMs: number, max: number): Promise<boolean> {
    for (let done = 0; ; done++) {
      const entry = await this.#next(this.#layout.allNotices, 1);
      if (entry === null || decoded(entry).writtenMs > writtenBeforeMs) return false;
      if (done >= max) return true;
      await this.#link.remove(this.#layout.notices, entry.seq);
    }
  }

  #next(subject: string, from: number): Promise<StreamEntry | null> {
    return this.#link.next(this.#layout.notices, subject, from);
  }
}

function decoded({ data, subject }: StreamEntry): z.output<typeof noticeShape> {
  try {
    return noticeShape.parse(JSON.parse(new TextDecoder().decode(data)));
  } catch (cause) {
    throw new JetStreamStoreError('STORE_CORRUPT', { detail: subject, cause });
  }
}
