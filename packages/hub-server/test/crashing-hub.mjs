/**
 * A hub in a process of its own that can be told where to die. Run by `hub-process`.
 * Arguments: data folder, kill point or `none`, how often it is passed before it kills.
 */
import { NetworkHubServer, SqliteHubStore } from '../dist/index.js';

const [folder, point, passes] = process.argv.slice(2);
let left = Number(passes);

function failpoint(name) {
  if (name !== point) return;
  left -= 1;
  if (left < 0) process.kill(process.pid, 'SIGKILL');
}

const startedMs = process.hrtime();
const store = await SqliteHubStore.open({ folder, failpoint });
const server = new NetworkHubServer({ store, port: 0, failpoint });
await server.start();
const [seconds, nanoseconds] = process.hrtime(startedMs);
const ready = { port: server.port, startMs: seconds * 1e3 + nanoseconds / 1e6 };
process.stdout.write(`${JSON.stringify(ready)}\n`);
