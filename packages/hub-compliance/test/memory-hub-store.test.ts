import { MemoryHubStore } from '@agentmesh/hub-local';
import { ready } from '@agentmesh/protocol';
import { storeCompliance } from '../src/index.js';

storeCompliance('MemoryHubStore', async () => {
  await ready();
  const store = new MemoryHubStore();
  return {
    store,
    reopen: () => Promise.resolve(store),
    dispose: () => store.close(),
  };
});
