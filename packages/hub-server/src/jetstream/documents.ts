/**
 * Small JSON documents, one per subject, changed by compare-and-set of their revision: the shape of
 * a NATS key-value bucket. Owns reading, the repeated attempt and the encoding; bytes within a
 * document are base64url text.
 */
import type * as z from 'zod';
import { JetStreamStoreError } from './jetstream-error.js';
import { KeyedTasks } from './keyed-tasks.js';
import type { NatsLink } from './nats-link.js';

/** Where a kind of document lies, and what it holds. */
export interface DocumentKind<T extends object> {
  readonly stream: string;
  readonly shape: z.ZodType<T>;
}

export interface StoredDocument<T> {
  readonly value: T;
  /** Changes with every change; 0 before the first. */
  readonly revision: number;
}

/** What a change does: a new value, and what its caller gets. */
export interface DocumentChange<T, R> {
  /** Null leaves the document as it is. */
  readonly value: T | null;
  readonly result: R;
}

const ATTEMPTS = 100;

/** All documents of one hub. */
export class Documents {
  readonly #link: NatsLink;
  readonly #tasks = new KeyedTasks();

  constructor(link: NatsLink) {
    this.#link = link;
  }

  async get<T extends object>(
    kind: DocumentKind<T>,
    subject: string,
  ): Promise<StoredDocument<T> | null> {
    const entry = await this.#link.last(kind.stream, subject);
    return entry === null
      ? null
      : { value: documentOf(kind.shape, subject, entry.data), revision: entry.seq };
  }

  /** The new revision, or null if the document is not at `revision` any more. */
  async put(subject: string, value: object, revision: number): Promise<number | null> {
    const data = new TextEncoder().encode(JSON.stringify(value));
    const ack = await this.#link.publish(subject, data, { expected: revision });
    return ack?.seq ?? null;
  }

  /** Removes a document if it still has this revision. */
  drop<T extends object>(kind: DocumentKind<T>, revision: number): Promise<boolean> {
    return this.#link.remove(kind.stream, revision);
  }

  /** Applies a change to what is stored at that moment: again and again until it holds. */
  update<T extends object, R>(
    kind: DocumentKind<T>,
    subject: string,
    change: (value: T | null) => DocumentChange<T, R> | Promise<DocumentChange<T, R>>,
  ): Promise<R> {
    return this.#tasks.run(subject, async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const stored = await this.get(kind, subject);
        const { value, result } = await change(stored?.value ?? null);
        if (value === null) return result;
        if ((await this.put(subject, value, stored?.revision ?? 0)) !== null) return result;
      }
      throw new JetStreamStoreError('STORE_CONTENDED', { detail: subject });
    });
  }
}

/** What a document holds; throws STORE_CORRUPT. */
export function documentOf<T extends object>(
  shape: z.ZodType<T>,
  subject: string,
  data: Uint8Array,
): T {
  try {
    return shape.parse(JSON.parse(new TextDecoder().decode(data)));
  } catch (cause) {
    throw new JetStreamStoreError('STORE_CORRUPT', { detail: subject, cause });
  }
}
