/**
 * Opens a store and dies before its migration is committed. Run by `store-migration.test`.
 * Argument: data folder.
 */
import { SqliteHubStore } from '../dist/index.js';

const [folder] = process.argv.slice(2);

await SqliteHubStore.open({
  folder,
  failpoint(name) {
    if (name === 'migrating') process.kill(process.pid, 'SIGKILL');
  },
});
process.exit(7);
