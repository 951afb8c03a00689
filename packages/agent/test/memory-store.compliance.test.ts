import { MemoryStore } from '../src/store/memory-store.js';
import { agentStoreCompliance } from './store-compliance.js';

// The rows live in the object, so every handle on them is that object.
agentStoreCompliance('MemoryStore', () => {
  const store = new MemoryStore();
  return Promise.resolve({ handle: () => store, dispose: () => Promise.resolve() });
});
