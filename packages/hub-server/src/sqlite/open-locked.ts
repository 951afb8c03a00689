/**
 * Opening a store's database once its file is locked. Owns the order in which its parts are made,
 * and how they go again if one of them cannot be made.
 */
import { systemHost } from '@agentmesh/hub-local';
import type { DatabaseSync } from 'node:sqlite';
import { noFailpoint } from './failpoint.js';
import { LogKeeper } from './log-keeper.js';
import { closeDatabase, openDatabase } from './open-database.js';
import type { SqliteHubStoreOptions } from './sqlite-store-options.js';
import { storeErrorOf } from './store-error.js';

/** Lets go of all of it if `make` fails. */
export function openLocked<Store>(
  options: SqliteHubStoreOptions,
  path: string,
  make: (database: DatabaseSync, log: LogKeeper) => Store,
): Store {
  const { folder, failpoint = noFailpoint, acceptLostLog = false, cacheBytes } = options;
  const random = options.random ?? systemHost.random;
  const database = openDatabase({ folder, failpoint, acceptLostLog, random, cacheBytes });
  let log: LogKeeper | null = null;
  try {
    log = new LogKeeper(database, path, failpoint);
    return make(database, log);
  } catch (error) {
    log?.close();
    closeDatabase(database);
    throw storeErrorOf(error);
  }
}
