/**
 * Our hub as a process to be measured: the server of the `agentmesh-hub` command with its durable
 * store and its defaults. Arguments: folder, port, and `small-caches` for one whose caches fill
 * soon. Tells what is alive in it when it is asked. Ends well on SIGTERM, so that a profile is
 * written.
 */
import process from 'node:process';

import { NetworkHubServer, SqliteHubStore } from '@agentmesh/hub-server';

import { liveBytes } from '../benches/heap.js';

const SMALL = { memoryIds: 10_000, cacheBytes: 4 * 1024 * 1024 };

const [folder = '', port = '0', caches] = process.argv.slice(2);
const store =
  caches === 'small-caches' ? await SqliteHubStore.open({ folder, ...SMALL }) : undefined;
const server = new NetworkHubServer({
  ...(store === undefined ? { data: folder } : { store }),
  port: Number(port),
});
await server.start();
process.on('message', () => process.send?.(liveBytes()));
process.once('SIGTERM', () => {
  void server
    .stop()
    .then(() => store?.close())
    .then(() => process.exit(0));
});
