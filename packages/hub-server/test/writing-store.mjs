/**
 * A store in a process of its own that writes batch after batch and says which are durable.
 * Run by `power-loss.test`. Arguments: data folder, batches (then it waits).
 */
import { SqliteHubStore } from '../dist/index.js';

const [folder, batches] = process.argv.slice(2);
const NOW = 1_700_000_000_000;
const HOUR = 3_600_000;
const KEPT = 400;
const from = aid(1);
const to = aid(2);
const quota = {
  messages: 1e6,
  bytes: 1e12,
  senderMessages: 1e6,
  senderBytes: 1e12,
  retiredMs: HOUR,
};

const store = await SqliteHubStore.open({ folder });
const common = { opening: null, mayRegister: true, nowMs: NOW, retiredMs: HOUR };
await store.claim({ name: 'from', aid: from, ...common });
await store.claim({ name: 'to', aid: to, ...common });

function aid(n) {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

function envelope(n) {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(12, n);
  const times = { tsMs: NOW, expiresMs: NOW + HOUR, rememberUntilMs: NOW + 2 * HOUR };
  return { id, from, to, ...times, blob: new Uint8Array(100 + (n % 500)).fill(n) };
}

let last = 0;
for (let batch = 1; batch <= Number(batches); batch++) {
  const size = 1 + ((batch * 7) % 20);
  const append = Array.from({ length: size }, (_, at) => envelope(last + 1 + at));
  const acknowledged = last - KEPT;
  const seqs = Array.from({ length: size }, (_, at) => acknowledged + 1 + at).filter((n) => n > 0);
  const acknowledge = seqs.length > 0 ? [{ recipient: to, seqs }] : [];
  await store.commit({
    nowMs: NOW,
    quota,
    append,
    acknowledge,
    reschedule: [],
    deadLetter: [],
  });
  last += size;
  process.stdout.write(`${last}\n`);
  // Slow enough that the test's copies are small, fast enough that they catch it writing.
  if (batch % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
}
setInterval(() => undefined, 1_000);
