// A real agent that asks or answers in a process of its own, run by `agent-process.ts`. It writes
// down what it asks, does and is told before it goes on; a kill takes nothing of that back.
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { SqliteAgentStore } from '@agentmesh/agent/node';
import { ready } from '@agentmesh/crypto';
import { loadOrCreateKeyFile } from '@agentmesh/crypto/node';
import { Agent, NetworkHub } from '../../dist/index.js';
import { whileRetryable } from './while-retryable.mjs';

const { folder, name, port, life } = JSON.parse(process.argv[2]);
/** Calls that are open at once. */
const WINDOW = 6;
const TIMEOUT = '1h';

const file = openSync(join(folder, `${name}.log`), 'a');
const note = (what, fields) => writeSync(file, `${JSON.stringify({ what, ...fields })}\n`);
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`);
const flow = { isOn: false, loops: Promise.resolve() };
const open = new Set();
let asked = 0;

const agent = await start();
agent.onRequest((request, context) => answer(request, context), { concurrency: 4 });
agent.onStream((request, context) => produce(request, context), { concurrency: 4 });
agent.on('orphanReply', ({ replyTo }) => note('orphan', { id: replyTo }));
agent.on('stopped', ({ error }) => note('alarm', { event: 'stopped', code: error.code }));
agent.on('gap', ({ state }) => {
  if (state === 'lost') note('alarm', { event: 'gap', code: state });
});
await takeUp();
say({ ready: performance.now() });
for await (const line of createInterface({ input: process.stdin })) await obey(JSON.parse(line));

async function start() {
  await ready();
  const path = join(folder, `${name}.json`);
  const { storeKey } = await loadOrCreateKeyFile(path, { unprotected: true });
  return whileRetryable(async () => {
    const opened = SqliteAgentStore.beside(path, { storeKey });
    const hub = new NetworkHub({ host: '127.0.0.1', port });
    const files = { keypairPath: path, store: opened };
    return Agent.create(name, { hub, ...files, logLevel: 'silent' });
  });
}

async function obey({ ask, rest, close }) {
  if (ask) {
    flow.isOn = true;
    flow.loops = Promise.all(Array.from({ length: WINDOW }, () => askOn(ask)));
  }
  if (rest) {
    flow.isOn = false;
    await flow.loops;
    await settled();
    say({ rested: asked });
  }
  if (close) {
    await agent.close();
    say({ closed: true });
    process.exit(0);
  }
}

/** One call after the other, until told to rest. */
async function askOn(to) {
  while (flow.isOn) {
    asked += 1;
    const n = `${name}.${life}.${asked}`;
    const draw = Math.random();
    const items = draw < 0.4 ? 1 + Math.floor(Math.random() * 30) : 0;
    note('begun', { n, items });
    try {
      if (items > 0) await read(agent.stream(to, { n, items }, { timeout: TIMEOUT }));
      else await askOne(to, n, draw > 0.9);
    } catch (error) {
      note('not asked', { n, code: error.code ?? String(error) });
    }
    await pause(Math.random() * 20);
  }
}

async function askOne(to, n, isLeft) {
  const call = await agent.call(to, { n }, { timeout: TIMEOUT });
  if (isLeft) {
    note('left', { id: call.id });
    void call.cancel('changed its mind').catch(() => undefined);
  }
  await follow(call);
}

/** What earlier lives asked, also where a life ended before it said so. */
async function takeUp() {
  for (const call of await agent.calls()) void follow(call);
  for (const stream of await agent.streams()) void read(stream);
}

async function follow(call) {
  open.add(call.id);
  note('asked', { id: call.id });
  await end(call.id, () => call.answer());
}

async function read(stream) {
  const id = await stream.id;
  open.add(id);
  note('asked', { id });
  await end(id, async () => {
    let n = null;
    for (;;) {
      const at = await stream.position;
      const step = await stream.next();
      if (step.done) return { n, items: at, result: await stream.result };
      n ??= step.value.n;
      if (step.value.at !== at || step.value.n !== n) note('wrong item', { id, at, ...step.value });
      if (Math.random() < 0.1) await pause(5);
    }
  });
}

/** An agent that ends says nothing of its calls. */
async function end(id, answered) {
  try {
    note('ended', { id, code: 'answered', value: await answered() });
  } catch (error) {
    if (error.code !== 'CLOSED') note('ended', { id, code: error.code ?? String(error) });
  }
  open.delete(id);
}

async function answer({ id, payload }, context) {
  note('runs', { id, n: payload.n, attempt: context.attempt });
  const value = await context.once('effect', async () => {
    note('effect', { id });
    await pause(Math.random() * 10);
    return Math.floor(Math.random() * 2 ** 32);
  });
  note('effect kept', { id, value });
  await pause(Math.random() * 30);
  return { n: payload.n, value };
}

async function* produce({ id, payload: { n, items } }, context) {
  note('runs', { id, n, attempt: context.attempt });
  for (let at = context.from; at < items; at++) {
    await pause(Math.random() * 5);
    yield { n, at };
  }
  return { n, items };
}

async function settled() {
  for (;;) {
    const { outbox, inbox } = await agent.status();
    if (outbox === 0 && inbox === 0 && open.size === 0) return;
    await pause(20);
  }
}
