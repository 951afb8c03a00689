import { newFolder, storeAt } from './store-folder.js';
import { agentStoreCompliance } from './store-compliance.js';

agentStoreCompliance('SqliteAgentStore', async () => {
  const { path, dispose } = await newFolder();
  return { handle: () => storeAt(path), dispose };
});
