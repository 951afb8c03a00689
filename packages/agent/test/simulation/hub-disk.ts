/**
 * A hub's store on a simulated disk: `MemoryHubStore` behind delays. Owns when a call takes effect
 * and when its answer comes; a process that dies in between never hears that it did. What took
 * effect stays, as the contract of `HubStore` says.
 */
import type { HubStore, MemoryHubStore, QueueChanges } from '@agentmesh/hub-local';
import { StorageError } from '../../src/ground/errors.js';
import type { Process } from './machine.js';

/** The disk of the hub's machine, over all its processes. */
export interface HubDisk {
  readonly rows: MemoryHubStore;
  /** While true, nothing is written. */
  broken: boolean;
  /** Told of every envelope that became durable, as it did. */
  readonly onStored: (envelopeId: Uint8Array) => void;
}

/** The store of one process of the hub. */
export function hubStoreOn(disk: HubDisk, process: Process): HubStore {
  const { rows } = disk;
  const { chance } = process;
  const call = <T>(effect: () => Promise<T>, writes: boolean): Promise<T> =>
    new Promise((resolve, reject) => {
      process.after(chance.skewed(0.05, writes ? 3 : 0.3), () => {
        if (writes && disk.broken) {
          reject(new StorageError('STORE_FAILED', 'input/output'));
          return;
        }
        // Effect now, answer later: in between the process may die.
        void effect().then((answer) =>
          process.after(chance.skewed(0.05, writes ? 3 : 0.3), () => resolve(answer)),
        );
      });
    });
  const write = <T>(effect: () => Promise<T>): Promise<T> => call(effect, true);
  const read = <T>(effect: () => Promise<T>): Promise<T> => call(effect, false);
  return {
    hubSeed: (create) => write(() => rows.hubSeed(create)),
    counts: () => read(() => rows.counts()),
    close: () => Promise.resolve(),
    claim: (claim) => write(() => rows.claim(claim)),
    aidOfName: (name) => read(() => rows.aidOfName(name)),
    putIdentity: (update) => write(() => rows.putIdentity(update)),
    putPrekeys: (update) => write(() => rows.putPrekeys(update)),
    putRevocation: (update) => write(() => rows.putRevocation(update)),
    keys: (aid) => read(() => rows.keys(aid)),
    takeBundle: (request) => write(() => rows.takeBundle(request)),
    names: (query) => read(() => rows.names(query)),
    commit: (changes) => write(() => commit(disk, changes)),
    read: (query) => read(() => rows.read(query)),
    queued: (recipient) => read(() => rows.queued(recipient)),
    expire: (request) => write(() => rows.expire(request)),
    notices: (query) => read(() => rows.notices(query)),
    dropNotices: (drop) => write(() => rows.dropNotices(drop)),
  };
}

async function commit({ rows, onStored }: HubDisk, changes: QueueChanges) {
  const result = await rows.commit(changes);
  for (const [at, outcome] of result.appended.entries()) {
    const envelope = changes.append[at];
    if (outcome.status === 'stored' && envelope !== undefined) onStored(envelope.id);
  }
  return result;
}
