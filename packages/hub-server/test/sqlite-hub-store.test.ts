/**
 * `SqliteHubStore` keeps the contract of every hub store, across a closing and reopening too.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storeCompliance } from '@agentmesh/hub-compliance';
import { ready } from '@agentmesh/protocol';
import { SqliteHubStore } from '../src/index.js';

/** The second run keeps only three ids in memory, so that the index on disk answers. */
for (const memoryIds of [1_000_000, 3]) {
  storeCompliance(`SqliteHubStore with ${memoryIds} ids in memory`, async () => {
    await ready();
    const folder = mkdtempSync(join(tmpdir(), 'agentmesh-store-'));
    let store = await SqliteHubStore.open({ folder, memoryIds });
    return {
      store,
      async reopen() {
        await store.close();
        store = await SqliteHubStore.open({ folder, memoryIds });
        return store;
      },
      async dispose() {
        await store.close();
        rmSync(folder, { recursive: true });
      },
    };
  });
}
