/**
 * Ways into NATS: token, user, key and credentials file, TLS on both sides, and accounts.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { ready, toBase64Url } from '@agentmesh/protocol';
import { nkeys } from '@nats-io/transport-node';
import { generate } from 'selfsigned';
import { JetStreamHubStore } from '../../src/jetstream.js';
import type { JetStreamHubStoreOptions } from '../../src/jetstream.js';
import { hasNats, NatsNode } from './nats-process.js';

beforeAll(() => ready());

const endings: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'agentmesh-access-'));
  endings.push(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function start(extra: string): Promise<NatsNode> {
  const node = await NatsNode.single({ extra });
  endings.push(() => node.dispose());
  return node;
}

/** `ok`, or the code of the error. */
async function enter(options: Omit<JetStreamHubStoreOptions, 'hubKeyFile'>): Promise<string> {
  try {
    const hubKeyFile = join(newFolder(), 'hub.key');
    await (await JetStreamHubStore.open({ patienceMs: 3_000, ...options, hubKeyFile })).close();
    return 'ok';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

function fileIn(folder: string, name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** A claim as NATS writes it: a JWT signed with the issuer's key. */
function claimOf(issuer: KeyPair, subject: KeyPair, nats: object): string {
  const text = (value: unknown) => toBase64Url(new TextEncoder().encode(JSON.stringify(value)));
  const claims = { jti: 'x', iat: 1, iss: issuer.getPublicKey(), sub: subject.getPublicKey() };
  const head = text({ typ: 'JWT', alg: 'ed25519-nkey' });
  const body = `${head}.${text({ ...claims, name: 'test', nats: { ...nats, version: 2 } })}`;
  return `${body}.${toBase64Url(issuer.sign(new TextEncoder().encode(body)))}`;
}

/** A server's configuration with an operator, and the credentials of a user under it. */
function operatorMode(): { config: string; creds: string } {
  const operator = nkeys.createOperator();
  const [system, account] = [nkeys.createAccount(), nkeys.createAccount()];
  const user = nkeys.createUser();
  const names = ['subs', 'data', 'payload', 'imports', 'exports', 'conn', 'leaf'];
  const unlimited = Object.fromEntries(names.map((name) => [name, -1]));
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountOf = (keyPair: KeyPair, more: object) => {
    const limits = { ...unlimited, wildcards: true, ...more };
    return claimOf(operator, keyPair, { type: 'account', limits });
  };
  const own = { type: 'operator', system_account: system.getPublicKey() };
  const config = [
    `operator: "${claimOf(operator, operator, own)}"`,
    `system_account: ${system.getPublicKey()}`,
    'resolver: MEMORY',
    'resolver_preload: {',
    `${system.getPublicKey()}: "${accountOf(system, {})}"`,
    `${account.getPublicKey()}: "${accountOf(account, storage)}"`,
    '}',
  ].join('\n');
  const limits = { subs: -1, data: -1, payload: -1 };
  const jwt = claimOf(account, user, { type: 'user', pub: {}, sub: {}, ...limits });
  const seed = new TextDecoder().decode(user.getSeed());
  const part = (name: string, text: string) =>
    `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
  return { config, creds: part('NATS USER JWT', jwt) + part('USER NKEY SEED', seed) };
}

const suite = hasNats() ? describe : describe.skip;
suite('a hub enters NATS', () => {
  test('with a token', async () => {
    const { port } = await start('authorization { token: "s3cr3t" }');
    expect(await enter({ servers: `nats://s3cr3t@127.0.0.1:${port}` })).toBe('ok');
    expect(await enter({ servers: `nats://guess@127.0.0.1:${port}` })).toBe('STORE_CREDENTIALS');
    expect(await enter({ servers: `nats://127.0.0.1:${port}` })).toBe('STORE_CREDENTIALS');
  });

  test('with a key of its own, which NATS does not know', async () => {
    const folder = newFolder();
    const [user, other] = [nkeys.createUser(), nkeys.createUser()];
    const { url } = await start(`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`);
    const nkeyFile = fileIn(folder, 'hub.nk', user.getSeed());
    expect(await enter({ servers: url, nkeyFile })).toBe('ok');
    const foreign = fileIn(folder, 'other.nk', other.getSeed());
    expect(await enter({ servers: url, nkeyFile: foreign })).toBe('STORE_CREDENTIALS');
    const damaged = fileIn(folder, 'bad.nk', 'SUA');
    expect(await enter({ servers: url, nkeyFile: damaged })).toBe('STORE_CREDENTIALS');
    expect(await enter({ servers: url, nkeyFile: join(folder, 'no') })).toBe('STORE_CREDENTIALS');
  });

  test('with a credentials file of an account under an operator', async () => {
    const folder = newFolder();
    const { config, creds } = operatorMode();
    const { url } = await start(config);
    const credsFile = fileIn(folder, 'hub.creds', creds);
    expect(await enter({ servers: url, credsFile })).toBe('ok');
    const foreign = fileIn(folder, 'other.creds', operatorMode().creds);
    expect(await enter({ servers: url, credsFile: foreign })).toBe('STORE_CREDENTIALS');
  });

  test('over TLS, showing a certificate, and enters no other server', async () => {
    const folder = newFolder();
    const names = [{ type: 2 as const, value: 'localhost' }];
    const extensions = [{ name: 'subjectAltName' as const, altNames: names }];
    const make = () =>
      generate([{ name: 'commonName', value: 'nats' }], { keyType: 'ec', extensions });
    const [server, client] = [await make(), await make()];
    const [cert, key] = [
      fileIn(folder, 'nats.pem', server.cert),
      fileIn(folder, 'nats.key', server.private),
    ];
    const tlsCertFile = fileIn(folder, 'hub.pem', client.cert);
    const tlsKeyFile = fileIn(folder, 'hub.key', client.private);
    const { port } = await start(
      `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${tlsCertFile}", verify: true }`,
    );
    const servers = `tls://localhost:${port}`;
    expect(await enter({ servers, tlsCaFile: cert, tlsCertFile, tlsKeyFile })).toBe('ok');
    expect(await enter({ servers, tlsCaFile: cert })).toBe('STORE_UNREACHABLE');
    const others = { tlsCertFile, tlsKeyFile };
    expect(await enter({ servers, tlsCaFile: tlsCertFile, ...others })).toBe('STORE_TLS');
    expect(await enter({ servers, ...others })).toBe('STORE_TLS');
  });

  test('in an account of its own, apart from stores in others', async () => {
    const account = (name: string) =>
      `${name} { jetstream: enabled, users: [{ user: ${name}, password: x }] }`;
    const { port } = await start(`accounts { ${account('a')}, ${account('b')} }`);
    const openAs = async (name: string, file: string) => {
      const servers = `nats://${name}:x@127.0.0.1:${port}`;
      const store = await JetStreamHubStore.open({ servers, hubKeyFile: file });
      endings.push(() => store.close());
      return store;
    };
    const folder = newFolder();
    const [a, b] = [await openAs('a', join(folder, 'a')), await openAs('b', join(folder, 'b'))];
    const seedOf = (fill: number) => new Uint8Array(32).fill(fill);
    expect(await a.hubSeed(() => seedOf(1))).toEqual(seedOf(1));
    expect(await b.hubSeed(() => seedOf(2))).toEqual(seedOf(2));
  });
});
