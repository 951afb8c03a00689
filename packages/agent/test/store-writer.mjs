// A process of its own for the store's crash tests: opens the built door of the package and commits
// in a loop, in bursts, until something stops it. One line per event on standard output:
//   open <next>              the store is ours; the first number that will be committed
//   <number> <bytes>         committed and resolved; length of the write-ahead log then
//   refused <code> <ms>      open() rejected, after so many milliseconds
//   failed <code> <message>  a commit rejected; followed by what a second commit and a read do
// Commit n: rows `a` and `b` hold n, row `log/<n>` is put, row `log/<n - KEPT>` deleted.
import { statSync, writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { Secret } from '@agentmesh/crypto';
import { SqliteAgentStore } from '../dist/node.js';

const KEPT = 50;
const [path, largest = '300', burst = '8', mode = 'write'] = process.argv.slice(2);
const storeKey = new Secret('store key', new Uint8Array(32).fill(7));
const store = new SqliteAgentStore(path, { storeKey });

/** At once, so that a kill loses nothing that was said; waits while the pipe is full. */
function say(line) {
  for (let rest = Buffer.from(`${line}\n`); rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}
const row = (n) => `log/${String(n).padStart(9, '0')}`;

function operations(n) {
  const number = new Uint8Array(new Uint32Array([n]).buffer);
  const value = new Uint8Array(8 + ((n * 7_919) % Number(largest))).fill(n & 0xff);
  const puts = [
    { put: 'a', value: number },
    { put: row(n), value },
    { put: 'b', value: number },
  ];
  return n > KEPT ? [...puts, { delete: row(n - KEPT) }] : puts;
}

async function commit(n) {
  await store.commit(operations(n));
  say(`${n} ${statSync(`${path}-wal`).size}`);
}

const code = (promise) =>
  promise.then(
    () => 'fulfilled',
    (error) => error.code,
  );

const startedMs = performance.now();
try {
  await store.open();
} catch (error) {
  say(`refused ${error.code} ${performance.now() - startedMs}`);
  process.exit(0);
}
const last = await store.get('a');
let next = last === null ? 1 : new Uint32Array(last.buffer)[0] + 1;
say(`open ${next}`);
if (mode === 'hold') await setTimeout(60_000);
try {
  for (;;) {
    const size = 1 + (next % Number(burst));
    const commits = Array.from({ length: size }, (_, at) => commit(next + at));
    next += size;
    // All are awaited, so that nothing is left unhandled when the first of them fails.
    const results = await Promise.allSettled(commits);
    for (const { reason } of results) if (reason !== undefined) throw reason;
  }
} catch (error) {
  say(`failed ${error.code} ${error.retryable} ${error.message}`);
  say(`then ${await code(store.commit(operations(next)))} ${await code(store.get('a'))}`);
  await store.close();
}
