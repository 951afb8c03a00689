import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NetworkHubServer } from '@agentmesh/hub-server';
import { MemoryHubStore } from '@agentmesh/hub-local';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import type { Page } from 'playwright-core';
import { Agent, NetworkHub } from '../../src/index.js';
import { CHROMIUM_FLAGS, chromiumPath } from './chromium.js';

const executablePath = chromiumPath();
const inBrowser = executablePath === null ? test.skip : test;
const because = executablePath === null ? ' [no Chromium: apt-get install chromium]' : '';

/** What a careful site would send: no inline script, no eval, WebAssembly only. */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src ws://127.0.0.1:*";

async function bundle(): Promise<string> {
  const result = await build({
    entryPoints: [fileURLToPath(new URL('page.ts', import.meta.url))],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    // The import conditions of package.json decide, as for a user; not the paths of our own
    // sources.
    tsconfigRaw: {},
    write: false,
  });
  return result.outputFiles[0]!.text;
}

function serve(script: string): Promise<Server> {
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.setHeader('content-security-policy', POLICY);
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(isScript ? script : '<!doctype html><script type=module src=/page.js></script>');
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

function stopped(site: Server): Promise<unknown> {
  site.closeAllConnections();
  return new Promise((resolve) => {
    site.close(resolve);
  });
}

describe('agents in a real browser', () => {
  const endings: (() => Promise<unknown>)[] = [];
  let page: Page;
  let hub: NetworkHubServer;

  beforeAll(async () => {
    if (executablePath === null) return;
    const site = await serve(await bundle());
    endings.push(() => stopped(site));
    const address = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    hub = new NetworkHubServer({ store: new MemoryHubStore(), port: 0, allowedOrigins: [address] });
    await hub.start();
    endings.push(() => hub.stop());
    const profile = await mkdtemp(join(tmpdir(), 'agentmesh-chromium-'));
    endings.push(() => rm(profile, { recursive: true, force: true }));
    const args = [...CHROMIUM_FLAGS];
    const context = await chromium.launchPersistentContext(profile, { executablePath, args });
    endings.push(() => context.close());
    page = await context.newPage();
    await page.goto(`${address}/`);
    await page.waitForFunction('typeof overNetwork === "function"');
  }, 120_000);

  afterAll(async () => {
    for (const end of endings.toReversed()) await end();
  });

  inBrowser(`two agents talk over a hub inside the page${because}`, async () => {
    expect(await page.evaluate('inPage()')).toBe('grüße, 世界');
  });

  inBrowser(`the WebSocket of a browser reaches the hub and is greeted${because}`, async () => {
    const url = `ws://127.0.0.1:${hub.port}`;
    expect(await page.evaluate(`firstFrame(${JSON.stringify(url)})`)).toBe('hello');
  });

  inBrowser(`an agent in the browser and one in Node answer each other${because}`, async () => {
    const network = new NetworkHub({ host: '127.0.0.1', port: hub.port });
    const bob = await Agent.create('bob', { hub: network });
    bob.onMessage(async (message) => {
      await message.reply(`you said: ${message.text}`);
    });
    const url = JSON.stringify(`ws://127.0.0.1:${hub.port}`);
    expect(await page.evaluate(`overNetwork(${url}, "bob")`)).toBe(
      'bob: you said: hello from a browser',
    );
    await bob.close();
    await network.close();
  });

  inBrowser(`an invite from Node joins an agent in the browser, which asks${because}`, async () => {
    const network = new NetworkHub({ host: '127.0.0.1', port: hub.port });
    const host = await Agent.create('host', { hub: network, acceptFrom: 'ask' });
    host.onRequest(({ provenance }) => ({
      sender: provenance.sender,
      trust: provenance.trust,
      by: provenance.verifiedBy,
    }));
    const link = await host.invite({ hubs: [`ws://127.0.0.1:${hub.port}`] });
    expect(await page.evaluate(`joinAndAsk(${JSON.stringify(link)})`)).toEqual({
      name: 'host',
      trust: 'verified',
      answer: { sender: 'guest', trust: 'verified', by: 'invite' },
    });
    await host.close();
    await network.close();
  });

  inBrowser(`a page asks an agent in Node and reads its streams${because}`, async () => {
    const network = new NetworkHub({ host: '127.0.0.1', port: hub.port });
    const calc = await Agent.create('calc', { hub: network });
    const stopped = Promise.withResolvers<unknown>();
    calc.onRequest((request, context) => {
      const n = Number(request.payload['n']);
      if (n < 0) throw context.error('NEGATIVE');
      context.progress({ half: true });
      return { square: n * n };
    });
    calc.onStream(async function* (request, { from, signal }) {
      const count = Number(request.payload['count']);
      signal.addEventListener('abort', () => stopped.resolve(count));
      for (let n = from; n < count; n++) yield n;
      return { count };
    });
    const url = JSON.stringify(`ws://127.0.0.1:${hub.port}`);
    expect(await page.evaluate(`askAndRead(${url}, "calc")`)).toEqual({
      answer: { square: 400 },
      refusal: 'NEGATIVE',
      items: 1_000,
      result: { count: 1_000 },
      progress: true,
      open: 0,
    });
    // The stream that was left is the one whose generator was told.
    expect(await stopped.promise).toBe(1_000_000);
    await calc.close();
    await network.close();
  });

  inBrowser(`an agent in Node asks one in a page, and reads its stream${because}`, async () => {
    const network = new NetworkHub({ host: '127.0.0.1', port: hub.port });
    const caller = await Agent.create('caller', { hub: network });
    const url = JSON.stringify(`ws://127.0.0.1:${hub.port}`);
    const answering = page.evaluate(`answerInPage(${url})`);
    await caller.send('answerer', 'are you there?', { waitForPeer: 60_000 });
    expect(await caller.request('answerer', 'hello')).toEqual({ text: 'hello, says a browser' });
    const stream = caller.stream('answerer', 'one two three');
    const words: unknown[] = [];
    for await (const word of stream) words.push(word);
    expect([words, await stream.result]).toEqual([['one', 'two', 'three'], { words: 3 }]);
    const { delivered } = await caller.send('answerer', 'that is all');
    await delivered;
    expect(await answering).toBe('read');
    await caller.close();
    await network.close();
  });
});
