/**
 * What an operator asks of a store in NATS (`StoreOperations`). Owns its questions. A copy of all
 * streams is NATS's own business (`nats account backup`); a name is not given back, because other
 * hubs remember for a while who holds it.
 */
import type { NameQuery } from '@agentmesh/hub-local';
import { fromBase64Url } from '@agentmesh/protocol';
import type {
  QueuePart,
  QueueSummary,
  RegisteredName,
  StoredAgent,
  StoreOperations,
} from '../control/store-operations.js';
import type { Directory } from './directory.js';
import type { Layout } from './layout.js';
import type { NameIndex } from './name-index.js';
import type { NatsLink } from './nats-link.js';
import type { QueueLedgers } from './queue-ledgers.js';

/** What the operations are made of. */
export interface JetStreamOperationsParts {
  readonly link: NatsLink;
  readonly layout: Layout;
  readonly directory: Directory;
  readonly ledgers: QueueLedgers;
  readonly names: Pick<NameIndex, 'bound'>;
}

/** One per store. */
export class JetStreamOperations implements StoreOperations {
  readonly #parts: JetStreamOperationsParts;

  constructor(parts: JetStreamOperationsParts) {
    this.#parts = parts;
  }

  registered(query: NameQuery): Promise<readonly RegisteredName[]> {
    return this.#parts.names.bound(query);
  }

  async longestQueues(max: number): Promise<readonly QueueSummary[]> {
    const { link, layout, directory } = this.#parts;
    const shards = Array.from({ length: layout.shards }, (_, shard) => shard);
    const counts = await Promise.all(
      shards.map((shard) => link.counts(layout.queueStream(shard), layout.queueSubjects(shard))),
    );
    const longest = counts
      .flatMap((ofShard) => Object.entries(ofShard))
      .filter(([, messages]) => messages > 0)
      .toSorted(([, one], [, other]) => other - one)
      .slice(0, max);
    return Promise.all(
      longest.map(async ([subject, messages]) => {
        const recipient = fromBase64Url(subject.slice(subject.lastIndexOf('.') + 1));
        const name = (await directory.agent(recipient))?.name ?? null;
        return { recipient, name, messages, bytes: null };
      }),
    );
  }

  async queueParts(recipient: Uint8Array, max: number): Promise<readonly QueuePart[]> {
    const ledger = await this.#parts.ledgers.renew(recipient);
    const largest = ledger.parts.toSorted((one, other) => other.messages - one.messages);
    return Promise.all(
      largest.slice(0, max).map(async ({ from, messages, bytes }) => {
        const sender = fromBase64Url(from);
        const name = (await this.#parts.directory.agent(sender))?.name ?? null;
        return { sender, name, messages, bytes };
      }),
    );
  }

  agent(aid: Uint8Array): Promise<StoredAgent | null> {
    return this.#parts.directory.agent(aid);
  }
}
