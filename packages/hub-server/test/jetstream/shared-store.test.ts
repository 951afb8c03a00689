/**
 * Two stores over one NATS, as two hubs have them, and what they say when NATS is gone or refuses.
 */
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import type { HubNews } from '@agentmesh/hub-local';
import { ready, toBase64Url } from '@agentmesh/protocol';
import { JetStreamHubStore } from '../../src/jetstream.js';
import type { JetStreamHubStoreOptions } from '../../src/jetstream.js';
import { pause } from '../test-clients.js';
import { NatsCluster } from './nats-cluster.js';
import { hasNats, NatsNode } from './nats-process.js';

const NOW_MS = 1_700_000_000_000;
const bytesOf = (number: number, length: number) => new Uint8Array(length).fill(number);
const numbers = (count: number) => Array.from({ length: count }, (_, at) => at + 1);
const quota = {
  messages: 100,
  bytes: 100_000,
  senderMessages: 100,
  senderBytes: 100_000,
  retiredMs: 1_000,
};
const claimOf = (name: string, aid: Uint8Array) => {
  return { name, aid, opening: null, mayRegister: true, nowMs: NOW_MS, retiredMs: 1_000 };
};
const changesOf = (ids: readonly number[]) => ({
  nowMs: NOW_MS,
  quota,
  acknowledge: [],
  reschedule: [],
  deadLetter: [],
  append: ids.map((id) => ({
    id: bytesOf(id, 16),
    from: bytesOf(1, 32),
    to: bytesOf(2, 32),
    tsMs: NOW_MS,
    expiresMs: NOW_MS + 60_000,
    rememberUntilMs: NOW_MS + 120_000,
    blob: bytesOf(id, 64),
  })),
});
const readAll = (store: JetStreamHubStore) =>
  store.read({
    recipient: bytesOf(2, 32),
    after: 0,
    messages: 100,
    bytes: 100_000,
    nowMs: NOW_MS,
  });

const folder = mkdtempSync(join(tmpdir(), 'agentmesh-keys-'));
const hubKeyFile = join(folder, 'hub.key');
afterEach(() => rmSync(hubKeyFile, { force: true }));
afterAll(() => rmSync(folder, { recursive: true }));

/** Cuts the first connection that says `word`, and all others until they are allowed. */
async function cuttingProxy(port: number, word: string) {
  let cuts = 0;
  let isAllowed = true;
  const server = createServer((client) => {
    if (!isAllowed) {
      client.destroy();
      return;
    }
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    upstream.pipe(client);
    client.on('data', (bytes: Buffer) => {
      if (cuts > 0 || !bytes.includes(word)) return upstream.write(bytes);
      cuts += 1;
      isAllowed = false;
      return client.destroy();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get cuts() {
      return cuts;
    },
    allow() {
      isAllowed = true;
    },
    close: () => server.close(),
  };
}

const open: JetStreamHubStore[] = [];
let nats: NatsNode | null = null;
const start = async (extra = ''): Promise<NatsNode> => {
  await ready();
  nats = await NatsNode.single({ extra });
  return nats;
};
const storeAt = async (servers: string, more: Partial<JetStreamHubStoreOptions> = {}) => {
  const store = await JetStreamHubStore.open({ servers, hubKeyFile, patienceMs: 1_000, ...more });
  open.push(store);
  return store;
};

const suite = hasNats() ? describe : describe.skip;
suite('a store in NATS that two hubs share', () => {
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
    await nats?.dispose();
    nats = null;
  });

  test('both have one hub key, one holder per name, and each prekey is served once', async () => {
    const { url } = await start();
    const [a, b] = [await storeAt(url), await storeAt(url)];
    const seeds = await Promise.all([a, b].map((one, at) => one.hubSeed(() => bytesOf(at, 32))));
    expect(seeds[0]).toEqual(seeds[1]);
    const claims = numbers(10).map((number) =>
      (number % 2 === 0 ? a : b).claim(claimOf('bob', bytesOf(number, 32))),
    );
    const won = (await Promise.all(claims)).map((claim) => claim.status);
    expect(won.filter((status) => status === 'ok')).toHaveLength(1);
    const aid = (await a.aidOfName('bob')) ?? bytesOf(0, 32);
    const record = bytesOf(9, 300);
    const update = { owner: aid, subject: aid, name: 'bob', revision: 1, record, nowMs: NOW_MS };
    expect(await a.putIdentity(update)).toBe('stored');
    await b.putPrekeys({
      aid,
      signed: [{ id: 1, createdMs: NOW_MS, bytes: bytesOf(1, 100) }],
      oneTime: numbers(40).map((id) => ({ id, expiresMs: NOW_MS + 1, bytes: bytesOf(id, 100) })),
      replaceAll: false,
      keepSigned: 2,
      maxOneTime: 100,
    });
    const taken = await Promise.all(
      numbers(50).map((at) =>
        (at % 2 === 0 ? a : b).takeBundle({ aid, oneTime: true, nowMs: NOW_MS }),
      ),
    );
    const served = taken.flatMap((bundle) => bundle?.oneTime?.[0] ?? []);
    expect(served.toSorted((x, y) => x - y)).toEqual(numbers(40));
  });

  test('an identity revoked at one hub is revoked at both, by one revocation', async () => {
    const { url } = await start();
    const [a, b] = [await storeAt(url), await storeAt(url)];
    const aid = bytesOf(2, 32);
    await a.claim(claimOf('bob', aid));
    const record = bytesOf(9, 300);
    const update = { owner: aid, subject: aid, name: 'bob', revision: 1, record, nowMs: NOW_MS };
    expect(await a.putIdentity(update)).toBe('stored');
    const revoke = (store: JetStreamHubStore, at: number) =>
      store.putRevocation({ aid, revocation: bytesOf(at, 110) });
    expect(await Promise.all([revoke(a, 1), revoke(b, 2)])).toEqual(['stored', 'stored']);
    const request = { aid, oneTime: true, nowMs: NOW_MS };
    const bundles = await Promise.all([a, b].map((store) => store.takeBundle(request)));
    expect(bundles[0]?.revocation).toHaveLength(110);
    expect(bundles[1]).toEqual(bundles[0]);
    for (const store of [a, b]) {
      expect(await store.claim(claimOf('bob', aid))).toEqual({ status: 'revoked' });
      expect(await store.putIdentity({ ...update, revision: 2 })).toBe('revoked');
      expect((await store.commit(changesOf([1]))).appended).toEqual([{ status: 'revoked' }]);
      expect(await store.neighbours.standing(aid)).toMatchObject({ revoked: true });
    }
  });

  test('hubs tell each other whom they revoked', async () => {
    const { url } = await start();
    const [a, b] = [await storeAt(url), await storeAt(url)];
    const told = Promise.withResolvers<readonly Uint8Array[]>();
    const listener = {
      isConnected: () => false,
      heard: ({ revoked }: HubNews) => told.resolve(revoked),
      displaced: () => Promise.resolve({ sends: 0, sendBytes: 0, requests: 0, refusals: 0 }),
      missed: () => undefined,
    };
    const stop = b.neighbours.listen(listener);
    const nothing = { stored: [], noticed: [], putOff: [], fetched: [] };
    // What is told before the subscription has arrived is lost: hints are.
    const again = setInterval(
      () => a.neighbours.tell({ ...nothing, revoked: [bytesOf(2, 32)] }),
      20,
    );
    expect(await told.promise).toEqual([bytesOf(2, 32)]);
    clearInterval(again);
    stop();
  });

  test('the hub key lies in a file; NATS knows its public half and takes no other', async () => {
    const { url } = await start();
    const first = await storeAt(url);
    const seed = await first.hubSeed(() => bytesOf(1, 32));
    const other = await storeAt(url, { hubKeyFile: join(folder, 'other.key') });
    const refused = { code: 'STORE_HUB_KEY', retryable: false };
    await expect(other.hubSeed(() => bytesOf(2, 32))).rejects.toMatchObject(refused);
    expect(existsSync(join(folder, 'other.key'))).toBe(false);
    const text = readFileSync(hubKeyFile, 'utf8');
    const another = `agentmesh-hub-key-1 ${toBase64Url(bytesOf(3, 32))}\n`;
    writeFileSync(join(folder, 'other.key'), another);
    chmodSync(join(folder, 'other.key'), 0o644);
    const readable = other.hubSeed(() => bytesOf(2, 32));
    await expect(readable).rejects.toMatchObject({ code: 'UNSAFE_FILE' });
    chmodSync(join(folder, 'other.key'), 0o600);
    await expect(other.hubSeed(() => bytesOf(2, 32))).rejects.toMatchObject(refused);
    writeFileSync(join(folder, 'other.key'), text);
    expect(await other.hubSeed(() => bytesOf(2, 32))).toEqual(seed);
    writeFileSync(join(folder, 'other.key'), text.slice(0, -9));
    const damaged = other.hubSeed(() => bytesOf(2, 32));
    await expect(damaged).rejects.toMatchObject({ code: 'BAD_HUB_KEY' });
    expect(statSync(hubKeyFile).mode & 0o777).toBe(0o600);
  });

  test('an id that both are given at the same time is stored once', async () => {
    const { url } = await start();
    const [a, b] = [await storeAt(url), await storeAt(url)];
    await a.claim(claimOf('bob', bytesOf(2, 32)));
    const ids = numbers(30);
    const [first, second] = await Promise.all([a.commit(changesOf(ids)), b.commit(changesOf(ids))]);
    const both = [...(first?.appended ?? []), ...(second?.appended ?? [])];
    const statuses = both.map(({ status }) => status);
    expect(statuses.filter((status) => status === 'stored')).toHaveLength(30);
    expect(statuses.filter((status) => status === 'duplicate')).toHaveLength(30);
    expect((await readAll(b)).entries).toHaveLength(30);
  });

  test('killing NATS loses nothing that was stored; meanwhile every call says so', async () => {
    const node = await start();
    const store = await storeAt(node.url);
    await store.claim(claimOf('bob', bytesOf(2, 32)));
    await store.commit(changesOf(numbers(20)));
    await node.kill();
    const refused = store.commit(changesOf([30]));
    await expect(refused).rejects.toMatchObject({ retryable: true });
    await node.start();
    let page = null;
    for (let tries = 0; page === null && tries < 50; tries++) {
      page = await readAll(store).catch(() => null);
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
    }
    expect(page?.entries.length).toBeGreaterThanOrEqual(20);
    expect((await store.commit(changesOf([1]))).appended).toMatchObject([{ status: 'duplicate' }]);
    expect((await store.commit(changesOf([31]))).appended).toMatchObject([{ status: 'stored' }]);
  });

  test('a read whose connection is lost on the way ends, and the next one is whole', async () => {
    const node = await start();
    const proxy = await cuttingProxy(node.port, 'CONSUMER.MSG.NEXT');
    const store = await storeAt(`nats://127.0.0.1:${proxy.port}`);
    await store.claim(claimOf('bob', bytesOf(2, 32)));
    await store.commit(changesOf(numbers(20)));
    const reading = readAll(store).then(
      () => 'read',
      (error: { retryable: boolean }) => error.retryable,
    );
    while (proxy.cuts === 0) await pause(5);
    // The reader that NATS kept in memory dies with it.
    await node.kill();
    await node.start();
    proxy.allow();
    expect(await reading).toBe(true);
    let page = null;
    for (let tries = 0; page === null && tries < 50; tries++) {
      page = await readAll(store).catch(() => null);
      await pause(100);
    }
    expect(page?.entries).toHaveLength(20);
    proxy.close();
  });

  test('absent NATS, wrong credentials and small max_payload have codes of their own', async () => {
    const absent = JetStreamHubStore.open({ hubKeyFile, servers: 'nats://127.0.0.1:1' });
    await expect(absent).rejects.toMatchObject({ code: 'STORE_UNREACHABLE', retryable: true });
    const { port } = await start('authorization { user: hub, password: right }');
    const wrongly = `nats://hub:wrong@127.0.0.1:${port}`;
    const wrong = JetStreamHubStore.open({ hubKeyFile, servers: wrongly });
    await expect(wrong).rejects.toMatchObject({ code: 'STORE_CREDENTIALS', retryable: false });
    const right = `nats://hub:right@127.0.0.1:${port}`;
    const large = JetStreamHubStore.open({ hubKeyFile, servers: right, maxBlobBytes: 4_000_000 });
    await expect(large).rejects.toMatchObject({ code: 'STORE_UNSUITABLE' });
    await expect(storeAt(right)).resolves.toBeDefined();
  });
});

suite('a store in NATS with three replicas', () => {
  let cluster: NatsCluster | null = null;

  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
    await cluster?.dispose();
  });

  test('of hubs that take prekeys at the same time each gets others', async () => {
    await ready();
    cluster = await NatsCluster.start();
    const { servers } = cluster;
    const stores = [
      await storeAt(servers, { replicas: 3, shards: 1, patienceMs: 10_000 }),
      await storeAt(servers),
      await storeAt(servers),
    ];
    const [first] = stores;
    const aid = bytesOf(2, 32);
    await first?.claim(claimOf('bob', aid));
    const record = bytesOf(9, 300);
    const update = { owner: aid, subject: aid, name: 'bob', revision: 1, record, nowMs: NOW_MS };
    await first?.putIdentity(update);
    const keyOf = (id: number) => ({ id, expiresMs: NOW_MS + 1, bytes: bytesOf(id, 100) });
    await first?.putPrekeys({
      aid,
      signed: [{ id: 1, createdMs: NOW_MS, bytes: bytesOf(1, 100) }],
      oneTime: numbers(60).map(keyOf),
      replaceAll: false,
      keepSigned: 2,
      maxOneTime: 100,
    });
    const request = { aid, oneTime: true, nowMs: NOW_MS };
    const taken = await Promise.all(
      stores.flatMap((store) => numbers(30).map(() => store.takeBundle(request))),
    );
    const served = taken.flatMap((bundle) => bundle?.oneTime?.[0] ?? []);
    expect(served.toSorted((x, y) => x - y)).toEqual(numbers(60));
  }, 60_000);

  test('what two hubs acknowledge at the same time is acknowledged, and again later', async () => {
    cluster = await NatsCluster.start();
    const patient = { patienceMs: 10_000 };
    const a = await storeAt(cluster.servers, patient);
    const b = await storeAt(cluster.servers, patient);
    const recipient = bytesOf(2, 32);
    await a.claim(claimOf('bob', recipient));
    await a.commit(changesOf(numbers(30)));
    const seqs = (await readAll(b)).entries.map(({ seq }) => seq);
    const acknowledging = { ...changesOf([]), acknowledge: [{ recipient, seqs }] };
    await Promise.all([a.commit(acknowledging), b.commit(acknowledging)]);
    await b.commit(acknowledging);
    expect(seqs).toHaveLength(30);
    expect((await readAll(a)).entries).toEqual([]);
  }, 60_000);
});
