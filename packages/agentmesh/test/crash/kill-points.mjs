// The points A1 to A14 at which an agent's process may die (tests of protocol.md §2.11), put around
// the parts that an agent is given: its store, its hub, its handler, and under it the file system
// and SQLite. Nothing in the libraries knows of them.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { decodeInboxRow } from '../../../agent/dist/message/inbox.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Where a process is to kill itself, how often it passes there before, and from when on. */
export function killPlan(wanted) {
  let left = wanted?.passes ?? 0;
  let isOn = wanted?.rotating !== true;
  return {
    /** The change of identity begins. */
    rotating() {
      isOn = true;
    },
    /** Whether the next `reach` of this point is the last. */
    isDue: (point) => isOn && point === wanted?.point && left === 0,
    reach(point) {
      if (!isOn || point !== wanted?.point) return;
      if (left === 0) process.kill(process.pid, 'SIGKILL');
      left -= 1;
    },
  };
}

/** A store that dies around the commits that matter, and keeps the ledger. */
export function killingStore(store, { plan, ledger }) {
  // A row that is put again counts the runs of its handler.
  const isNew = ({ put, value }) =>
    put?.startsWith('inbox/') && decodeInboxRow(value).attempts === 0;
  return {
    open: () => store.open(),
    get: (key) => store.get(key),
    range: (range) => store.range(range),
    close: () => store.close(),
    async commit(operations) {
      const puts = (prefix) => operations.some(({ put }) => put?.startsWith(prefix));
      const deletes = (prefix) => operations.some((one) => one.delete?.startsWith(prefix));
      const sends = puts('outbox/');
      const receives = operations.filter(isNew);
      for (const { put, value } of operations) {
        if (put?.startsWith('outbox/')) ledger.sealed(value);
      }
      if (sends) plan.reach('A1');
      if (deletes('outbox/')) plan.reach('A4');
      if (receives.length > 0) plan.reach('A5');
      if (deletes('inbox/')) plan.reach('A9');
      if (puts('prekey/one-time/')) plan.reach('A10 made');
      if (puts('prekey/signed/')) plan.reach('A11 made');
      await store.commit(operations);
      for (const { put, value } of receives) {
        ledger.received(put, value);
      }
      if (sends) plan.reach('A2');
      if (operations.some(({ put }) => put === 'meta')) plan.reach('A12 committed');
      if (receives.length > 0) plan.reach('A6');
      if (puts('prekey/one-time/')) plan.reach('A10 stored');
      if (puts('prekey/signed/')) plan.reach('A11 stored');
    },
  };
}

/** A hub whose connections die around what is sent. */
export function killingHub(hub, tools) {
  return {
    connect: async (credentials, events) =>
      killingConnection(await hub.connect(credentials, events), tools),
  };
}

function killingConnection(connection, { plan, ledger }) {
  return {
    get session() {
      return connection.session;
    },
    getBundle: (peer, options) => connection.getBundle(peer, options),
    ack: (seqs) => connection.ack(seqs),
    nack: (refusal) => connection.nack(refusal),
    credit: (grant) => connection.credit(grant),
    list: (query) => connection.list(query),
    close: () => connection.close(),
    async send(envelope) {
      ledger.sent(envelope.blob);
      const answer = connection.send(envelope);
      if (plan.isDue('A3 sent')) await turn();
      plan.reach('A3 sent');
      const answered = await answer;
      plan.reach('A3 answered');
      return answered;
    },
    async putIdentity(record) {
      const state = await connection.putIdentity(record);
      plan.reach('A12 published');
      return state;
    },
    async putPrekeys(keys) {
      const kind = keys.signed.length > 0 && keys.oneTime.length === 0 ? 'A11' : 'A10';
      const answer = connection.putPrekeys(keys);
      if (plan.isDue(`${kind} sent`)) await turn();
      plan.reach(`${kind} sent`);
      const state = await answer;
      plan.reach(`${kind} answered`);
      return state;
    },
  };
}

/** Dies while a key file is made. */
export function watchFiles(plan) {
  const { open, link, rename, unlink } = fs.promises;
  fs.promises.open = async (path, flags, mode) => {
    const file = await open(path, flags, mode);
    if (flags !== 'wx') return file;
    plan.reach('A12 opened');
    const { writeFile, sync } = file;
    file.writeFile = async (bytes) => {
      if (plan.isDue('A12 half written')) await writeFile.call(file, bytes.subarray(0, 99));
      plan.reach('A12 half written');
      await writeFile.call(file, bytes);
      plan.reach('A12 written');
    };
    file.sync = async () => {
      await sync.call(file);
      plan.reach('A12 synced');
    };
    return file;
  };
  fs.promises.link = async (from, to) => {
    await link(from, to);
    plan.reach('A12 linked');
  };
  fs.promises.rename = async (from, to) => {
    plan.reach('A12 replacing');
    await rename(from, to);
    plan.reach('A12 replaced');
  };
  fs.promises.unlink = async (path) => {
    plan.reach('A12 cleaning');
    await unlink(path);
    plan.reach('A12 created');
  };
  syncBuiltinESMExports();
}

/** Dies while a database gets its tables, or moves its log into itself. */
export function watchDatabase(plan) {
  const { exec } = DatabaseSync.prototype;
  const killSoon = startKiller();
  let isVersionSet = false;
  DatabaseSync.prototype.exec = function watched(sql) {
    const isStep = sql.includes('CREATE TABLE');
    const isCheckpoint = sql.includes('wal_checkpoint');
    if (isStep) plan.reach('A13 begun');
    if (isCheckpoint) plan.reach('A14 before');
    if (isCheckpoint && plan.isDue('A14 within')) killSoon();
    else if (isCheckpoint) plan.reach('A14 within');
    exec.call(this, sql);
    if (isStep) plan.reach('A13 step made');
    if (isCheckpoint) plan.reach('A14 after');
    if (isVersionSet && sql === 'COMMIT') plan.reach('A13 committed');
    isVersionSet = sql.includes('user_version =');
    if (isVersionSet) plan.reach('A13 version set');
  };
}

/** A thread that ends the process within two milliseconds, which is as long as a checkpoint. */
function startKiller() {
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const code = `
    const { workerData } = require('node:worker_threads');
    Atomics.wait(workerData, 0, 0);
    const untilMs = performance.now() + workerData[0] / 1000;
    while (performance.now() < untilMs);
    process.kill(process.pid, 'SIGKILL');`;
  new Worker(code, { eval: true, workerData: signal }).unref();
  return () => {
    Atomics.store(signal, 0, 1 + Math.floor(Math.random() * 2_000));
    Atomics.notify(signal, 0);
  };
}
