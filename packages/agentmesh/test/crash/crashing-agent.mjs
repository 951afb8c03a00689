// A real agent in a process of its own, run by `agent-process.ts`: keys and store are files, the
// hub is another process. Takes commands as lines of JSON, answers with lines of JSON, and dies
// where its plan says so.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { SqliteAgentStore } from '@agentmesh/agent/node';
import { ready } from '@agentmesh/crypto';
import { loadOrCreateKeyFile } from '@agentmesh/crypto/node';
import { MIGRATIONS } from '../../../agent/dist/store/sqlite/schema.js';
import { Agent, NetworkHub } from '../../dist/index.js';
import { killingHub, killingStore, killPlan, watchDatabase, watchFiles } from './kill-points.mjs';
import { openLedger } from './ledger.mjs';
import { whileRetryable } from './while-retryable.mjs';

const { folder, name, port, life, clockMs, step, plan: wanted } = JSON.parse(process.argv[2]);
/** What an agent tells when something is not as it should be. */
const ALARMS = [
  'cloneOrRollback',
  'displaced',
  'gap',
  'handlerError',
  'peerInstanceChanged',
  'refused',
  'stopped',
  'storeRollback',
  'undecryptable',
  'undelivered',
];
const plan = killPlan(wanted);
const ledger = openLedger(folder, name);
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);
let sent = 0;
const flow = { isOn: false };
let loops = Promise.resolve();

watchFiles(plan);
watchDatabase(plan);
// A step of the future: the way in which older stores become newer ones.
if (step) MIGRATIONS.push('CREATE TABLE step (n INTEGER) STRICT');

const agent = await start();
agent.onMessage(async ({ id, sender, payload, redelivered }) => {
  await new Promise((resolve) => setImmediate(resolve));
  plan.reach('A7');
  ledger.note('handled', { id, from: sender, text: payload.text, redelivered });
  plan.reach('A8');
});
for (const event of ALARMS) {
  agent.on(event, ({ code, state, error }) => {
    ledger.note('alarm', { event, code: code ?? state ?? error?.code ?? '' });
  });
}
say({ ready: performance.now() });
for await (const line of createInterface({ input: process.stdin })) await obey(JSON.parse(line));

async function start() {
  await ready();
  const path = join(folder, `${name}.json`);
  const { storeKey } = await loadOrCreateKeyFile(path, { unprotected: true });
  const store = killingStore(SqliteAgentStore.beside(path, { storeKey }), { plan, ledger });
  const runtime = { now: () => Date.now() + clockMs };
  return whileRetryable(() => {
    const hub = killingHub(new NetworkHub({ host: '127.0.0.1', port }), { plan, ledger });
    const files = { keypairPath: path, store };
    return Agent.create(name, { hub, ...files, runtime, logLevel: 'silent' });
  });
}

async function obey({ send, flow: peers, rotate, rest, close }) {
  if (send) void sendMany(send).then((count) => say({ sent: count }));
  if (peers) {
    flow.isOn = true;
    loops = Promise.all(peers.map(sendOn));
  }
  if (rotate) {
    plan.rotating();
    await agent.rotateIdentity();
    say({ rotated: true });
  }
  if (rest) {
    flow.isOn = false;
    await loops;
    await settled();
    say({ rested: sent });
  }
  if (close) {
    await agent.close();
    say({ closed: true });
    process.exit(0);
  }
}

/** All at once, to fill commits and frames. */
async function sendMany({ to, count, bytes }) {
  const filler = 'x'.repeat(bytes);
  await Promise.all(Array.from({ length: count }, () => sendOne(to, filler)));
  return count;
}

/** A few at a time, until told to rest. */
async function sendOn(to) {
  while (flow.isOn) {
    const burst = 1 + Math.floor(Math.random() * 3);
    await Promise.all(Array.from({ length: burst }, () => sendOne(to, '')));
    await pause(10 + Math.random() * 20);
  }
}

async function sendOne(to, filler) {
  sent += 1;
  const text = `${name}.${life}.${sent}`;
  ledger.note('begun', { to, text });
  try {
    const { id } = await agent.send(to, { text, filler });
    ledger.note('accepted', { to, text, id });
  } catch (error) {
    ledger.note('failed', { to, text, code: error.code });
  }
}

async function settled() {
  for (;;) {
    const { outbox, inbox } = await agent.status();
    if (outbox === 0 && inbox === 0) return;
    await pause(20);
  }
}
