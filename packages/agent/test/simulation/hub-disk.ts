/**
 * A hub's store on a simulated disk: a `HubHistory` behind delays. Owns when a call takes effect
 * and when its answer comes; a process that dies in between never hears that it did. What took
 * effect stays, as the contract of `HubStore` says.
 */
import type { HubStore } from '@agentmesh/hub-local';
import { StorageError } from '../../src/ground/errors.js';
import type { HubHistory } from '../hub-history.js';
import type { Process } from './machine.js';

/** The disk of the hub's machine, over all its processes. */
export interface HubDisk {
  readonly history: HubHistory;
  /** While true, nothing is written. */
  broken: boolean;
}

/** The store of one process of the hub. */
export function hubStoreOn(disk: HubDisk, process: Process): HubStore {
  const { chance } = process;
  return disk.history.store(
    (act, writes) =>
      new Promise((resolve, reject) => {
        process.after(chance.skewed(0.05, writes ? 3 : 0.3), () => {
          if (writes && disk.broken) {
            reject(new StorageError('STORE_FAILED', 'input/output'));
            return;
          }
          // Effect now, answer later: in between the process may die.
          void act().then((answer) =>
            process.after(chance.skewed(0.05, writes ? 3 : 0.3), () => resolve(answer)),
          );
        });
      }),
  );
}
