/**
 * All names in order, for `list`. Owns a copy of the names in this hub's memory, about 100 bytes
 * each, made when somebody first lists and brought up to date before every answer.
 */
import { fromBase64Url } from '@agentmesh/protocol';
import type { NameQuery } from '@agentmesh/hub-local';
import type { RegisteredName } from '../control/store-operations.js';
import { nameShape } from './directory-documents.js';
import { documentOf } from './documents.js';
import { JetStreamStoreError } from './jetstream-error.js';
import { KeyedTasks } from './keyed-tasks.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';
import type { StreamEntry } from './stream-entry.js';
import { StreamFeed } from './stream-feed.js';

const PULL = 5_000;
const LAG_MS = 20;
const LAG_LOOKS = 100;

/** A name whose holder is not connected, and since when. */
interface LeftName {
  readonly name: string;
  readonly leftMs: number;
}

/** Holds every name that is bound, and whether it is listed, as its newest document says. */
export class NameIndex {
  readonly #link: NatsLink;
  readonly #stream: string;
  readonly #feed: StreamFeed;
  readonly #tasks = new KeyedTasks();
  /** Every name, and whether it is listed. */
  readonly #known = new Map<string, boolean>();
  /** Names whose transient holders are not connected, and since when. */
  readonly #left = new Map<string, number>();
  #sorted: string[] = [];

  constructor(link: NatsLink, layout: Layout) {
    this.#link = link;
    this.#stream = layout.names;
    this.#feed = new StreamFeed(link, {
      stream: layout.names,
      subject: layout.allNames,
      headersOnly: false,
    });
  }

  /** Ascending by code unit: also what another hub bound before this call began. */
  async names(query: NameQuery): Promise<readonly string[]> {
    const found = await this.#find(query, (listed) => listed);
    return found.map(({ name }) => name);
  }

  /** The same with names that are not listed. */
  bound(query: NameQuery): Promise<readonly RegisteredName[]> {
    return this.#find(query, () => true);
  }

  /** Up to `max` names whose holders left before this time, until they are {@link settled}. */
  leftBefore(beforeMs: number, max: number): Promise<readonly LeftName[]> {
    return this.#tasks.run('', async () => {
      await this.#catchUp();
      const found = [...this.#left].filter(([, leftMs]) => leftMs <= beforeMs).slice(0, max);
      return found.map(([name, leftMs]) => ({ name, leftMs }));
    });
  }

  /** Its holder is forgotten, or has come back: then a newer document says so. */
  settled({ name, leftMs }: LeftName): void {
    if (this.#left.get(name) === leftMs) this.#left.delete(name);
  }

  #find(
    { prefix, after, max }: NameQuery,
    isWanted: (listed: boolean) => boolean,
  ): Promise<RegisteredName[]> {
    return this.#tasks.run('', async () => {
      await this.#catchUp();
      const from = indexOf(this.#sorted, after >= prefix ? after : prefix);
      const found: RegisteredName[] = [];
      for (let at = from; at < this.#sorted.length && found.length < max; at++) {
        const name = this.#sorted[at] ?? '';
        if (name === after) continue;
        if (!name.startsWith(prefix)) break;
        const listed = this.#known.get(name) === true;
        if (isWanted(listed)) found.push({ name, listed });
      }
      return found;
    });
  }

  async #catchUp(): Promise<void> {
    const { last_seq: last } = await this.#link.state(this.#stream);
    let changed = false;
    for (let look = 0; this.#feed.seen < last; look++) {
      const entries = await this.#feed.pull(PULL);
      for (const entry of entries) changed = this.#note(entry) || changed;
      if (entries.length > 0) continue;
      // The last message may have been taken back by the claim that wrote it.
      if ((await this.#link.at(this.#stream, last)) === null) break;
      if (look >= LAG_LOOKS) throw new JetStreamStoreError('STORE_UNAVAILABLE');
      await new Promise((resolve) => {
        setTimeout(resolve, LAG_MS);
      });
    }
    if (changed) this.#sorted = [...this.#known.keys()].toSorted();
  }

  /** Whether there is a name more. */
  #note({ subject, data }: StreamEntry): boolean {
    const name = nameOf(subject);
    const { listed, leftMs } = documentOf(nameShape, subject, data);
    if (leftMs === null) this.#left.delete(name);
    else this.#left.set(name, leftMs);
    const isNew = !this.#known.has(name);
    this.#known.set(name, listed);
    return isNew;
  }
}

function nameOf(subject: string): string {
  const encoded = subject.slice(subject.lastIndexOf('.') + 1);
  return new TextDecoder().decode(fromBase64Url(encoded));
}

/** Index of the first name that is not below `text`. */
function indexOf(sorted: readonly string[], text: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? '') < text) low = middle + 1;
    else high = middle;
  }
  return low;
}
