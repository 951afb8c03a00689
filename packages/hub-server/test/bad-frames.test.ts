/**
 * Protocol's corpus of bad frames and random bytes against the real server, before and after
 * authentication: an error with a code, the third closes, and the hub is well afterwards.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import type { RawClient } from '@agentmesh/hub-compliance';
import { CORE_LIMITS } from '@agentmesh/hub-local';
import { isErrorCode } from '@agentmesh/protocol';
import type { NetworkHubServer } from '../src/index.js';
import { bareSocket, newAgent, rawClient, until, withServer } from './test-clients.js';

jest.setTimeout(60_000);

const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
const RUNS = Number(process.env['FC_RUNS'] ?? 60);

type Parts = string | readonly (string | readonly [string, number])[];

interface Corpus {
  readonly prekey: string;
  readonly bad: readonly { name: string; from: string; text: Parts; code: string }[];
}

/** The corpus is protocol's; its notation is described there, in test/corpus.ts. */
function corpus(): { name: string; text: string; code: string }[] {
  const url = new URL('../../protocol/test/corpus/bad-frames.json', import.meta.url);
  const { prekey, bad } = JSON.parse(readFileSync(url, 'utf8')) as Corpus;
  const textOf = (parts: Parts): string =>
    typeof parts === 'string'
      ? parts
      : parts.map((part) => (typeof part === 'string' ? part : part[0].repeat(part[1]))).join('');
  return (
    bad
      .filter(({ from }) => from === 'client')
      // A lone surrogate cannot be sent: WebSocket texts and TCP lines have none.
      .filter(({ text }) => textOf(text).isWellFormed())
      .map(({ name, text, code }) => ({
        name,
        code,
        text: textOf(text).replaceAll('<prekey>', prekey),
      }))
  );
}

const BAD = corpus();
/** A stranger's longer message ends the connection before it is whole. */
const WHOLE_MESSAGE = 60_000;
const GOOD = '{"type":"ping","id":4294967295}';

/** The codes of the answers to some texts, in order. */
async function answers(client: RawClient, texts: readonly string[]): Promise<string[]> {
  for (const text of texts) client.sendText(text);
  const codes: string[] = [];
  for (const _ of texts) codes.push((await client.next('error')).code);
  return codes;
}

async function expectHealth(server: NetworkHubServer): Promise<void> {
  const client = await rawClient(server.port);
  client.send((await client.auth(newAgent('healthy').credentials())).frame);
  await client.next('auth_ok');
  client.sendText(GOOD);
  expect((await client.next('pong')).re).toBe(4294967295);
  client.close();
  await until(() => server.connections === 0);
}

/** Pairs, so that a connection lives to see the second. */
const pairs = Array.from({ length: Math.ceil(BAD.length / 2) }, (_, at) =>
  BAD.slice(2 * at, 2 * at + 2),
);

describe(`${BAD.length} committed bad frames`, () => {
  test('are enough', () => {
    expect(BAD.length).toBeGreaterThanOrEqual(200);
  });

  test('of strangers are refused over WebSocket and TCP', () =>
    withServer({}, async (server) => {
      for (const pair of pairs) {
        const texts = pair.map(({ text }) => text);
        const whole = pair.filter(({ text }) => text.length <= WHOLE_MESSAGE);
        const overWebSocket = await rawClient(server.port, 'websocket');
        const isLong = (text: string): boolean => text.length > CORE_LIMITS.preAuthFrameBytes;
        const codes = await answers(
          overWebSocket,
          whole.map(({ text }) => text),
        );
        expect(codes).toEqual(whole.map(({ text, code }) => (isLong(text) ? 'BAD_JSON' : code)));
        overWebSocket.close();
        const overTcp = await rawClient(server.port);
        // What is spoken is told by the first byte: an empty line means frames.
        overTcp.sendText('');
        const lines = texts.filter((text) => text !== '' && !/[\n\r]/.test(text));
        expect((await answers(overTcp, lines)).every(isErrorCode)).toBe(true);
        overTcp.close();
        // Two connections a turn: below the 200 a second that one address may open.
        await new Promise((resolve) => {
          setTimeout(resolve, 15);
        });
      }
      await expectHealth(server);
    }));

  test('of agents get their exact code, and change nothing', () =>
    withServer({}, async (server) => {
      const agent = newAgent('agent');
      for (const pair of pairs) {
        const client = await rawClient(server.port, 'websocket');
        client.send((await client.auth(agent.credentials())).frame);
        expect((await client.next('auth_ok')).oneTimePrekeys).toBe(0);
        const codes = await answers(
          client,
          pair.map(({ text }) => text),
        );
        expect(codes).toEqual(pair.map(({ code }) => code));
        client.close();
        await client.closed();
      }
      await expectHealth(server);
    }));

  test('of strangers that are very long end the connection', () =>
    withServer({}, async (server) => {
      const client = await rawClient(server.port, 'websocket');
      client.sendText('['.repeat(1_000_000));
      await client.closed();
      expect(client.isClosed).toBe(true);
      await expectHealth(server);
    }));

  test('the third closes the connection', () =>
    withServer({}, async (server) => {
      const client = await rawClient(server.port);
      expect(await answers(client, ['{}', '[]', '!'])).toHaveLength(3);
      await client.closed();
      expect(client.isClosed).toBe(true);
    }));
});

describe('random bytes', () => {
  const begin = fc.constantFrom('', '{', '\n', 'GET /', '\u0016\u0003\u0001', '{"type":"auth",');
  const stream = fc.tuple(
    begin,
    fc.uint8Array({ maxLength: 6_000 }),
    fc.constantFrom('tcp', 'tls'),
  );

  test(`end in an answer or a closed connection (seed ${SEED}, ${RUNS} runs)`, () =>
    withServer({ limits: { authenticationMs: 500 } }, async (server) => {
      const faults: unknown[] = [];
      const note = (error: unknown): void => void faults.push(error);
      process.on('unhandledRejection', note);
      await fc.assert(
        fc.asyncProperty(stream, async ([start, bytes, kind]) => {
          const peer = await bareSocket(server.port, kind);
          peer.socket.write(Buffer.concat([Buffer.from(start, 'latin1'), bytes]));
          peer.socket.end();
          await peer.ended;
        }),
        { seed: SEED, numRuns: RUNS },
      );
      await expectHealth(server);
      process.off('unhandledRejection', note);
      expect(faults).toEqual([]);
    }));

  test(`as WebSocket frames, pings and closes (seed ${SEED}, ${RUNS} runs)`, () =>
    withServer({ limits: { authenticationMs: 500 } }, async (server) => {
      const upgrade =
        'GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n';
      const frame = fc.tuple(
        fc.constantFrom(0x81, 0x82, 0x01, 0x00, 0x80, 0x88, 0x89, 0x8a, 0x83, 0xc1, 0xff),
        fc.uint8Array({ maxLength: 120 }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(frame, { maxLength: 40 }), async (frames) => {
          const peer = await bareSocket(server.port);
          peer.socket.write(upgrade);
          for (const [head, body] of frames) {
            const mask = Buffer.from([head, 0x80 | body.length, 0, 0, 0, 0]);
            peer.socket.write(Buffer.concat([mask, body]));
          }
          peer.socket.end();
          await peer.ended;
        }),
        { seed: SEED, numRuns: RUNS },
      );
      await expectHealth(server);
    }));
});
