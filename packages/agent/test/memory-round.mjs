/**
 * A process in which two agents talk over a hub in the same process until all that they remember
 * has filled; then it counts the objects that are alive, lets them talk on, and counts again.
 * Prints both counts. Arguments: messages before the first count, and between the two.
 */
import { queryObjects } from 'node:v8';
import { Agent } from '@agentmesh/agent';
import { LocalHub } from '@agentmesh/hub-local';

const [before = 0, between = 0] = process.argv.slice(2).map(Number);
const AT_ONCE = 100;
const KINDS = { Array, ArrayBuffer, Function, Map, Object, Promise, Set, Uint8Array };

const hub = new LocalHub();
const alice = await Agent.create('alice', { hub });
const bob = await Agent.create('bob', { hub });
let handled = 0;
bob.onMessage(() => void (handled += 1));

async function talk(messages) {
  const target = handled + messages;
  for (let sent = 0; sent < messages; sent += AT_ONCE) {
    const all = Array.from({ length: AT_ONCE }, () => alice.send('bob', 'x'.repeat(256)));
    await Promise.all((await Promise.all(all)).map(({ handled: told }) => told));
  }
  if (handled !== target) throw new Error(`${handled} of ${target} handled`);
}

/** Only what is alive is found: a collection goes before. */
function count() {
  return Object.fromEntries(
    Object.entries(KINDS).map(([name, kind]) => [name, queryObjects(kind, { format: 'count' })]),
  );
}

await talk(before);
const first = count();
await talk(between);
console.log(JSON.stringify({ first, second: count() }));
await alice.close();
await bob.close();
process.exit(0);
