// A process of its own for key-file-faults.scenario.test.ts. It opens the built door of the
// package, waits for a line on standard input, then loads or creates the given key files one after
// the other.
import { createHash } from 'node:crypto';
import { createInterface } from 'node:readline';
import { loadOrCreateKeyFile } from '@agentmesh/crypto/node';

const paths = process.argv.slice(2);
console.log('ready');
for await (const _go of createInterface({ input: process.stdin })) break;
for (const path of paths) {
  const { keyPair, storeKey, created } = await loadOrCreateKeyFile(path, { unprotected: true });
  const store = createHash('sha256').update(storeKey.reveal()).digest('hex');
  console.log(JSON.stringify({ path, address: keyPair.address, store, created }));
}
process.exit(0);
