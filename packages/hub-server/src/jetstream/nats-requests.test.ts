/**
 * Requests to NATS whose answers come late, twice, for somebody else, or not at all.
 */
import { describe, expect, jest, test } from '@jest/globals';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { NatsRequests } from './nats-requests.js';

const DATA = new TextEncoder().encode('{"seq":7}');
const LONG = { timeoutMs: 60_000 };

/** Requests over a connection whose other end is the test. */
function requestsOver() {
  let hear: (error: Error | null, message: Msg) => void = () => undefined;
  const replies: string[] = [];
  const connection = {
    subscribe: (_: string, options: { callback: typeof hear }) => {
      hear = options.callback;
    },
    publish: (_subject: string, _data: Uint8Array, { reply }: { reply: string }) => {
      replies.push(reply);
    },
  };
  const requests = new NatsRequests(connection as unknown as NatsConnection);
  const answer = (number: number, data = DATA, headers?: { code: number }): void => {
    hear(null, { subject: replies[number] ?? '', data, headers } as unknown as Msg);
  };
  return { requests, answer, replies };
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'answered',
    (error: { readonly code: string }) => error.code,
  );

describe('a request', () => {
  test('takes its own answer, in whatever order they come', async () => {
    const { requests, answer } = requestsOver();
    const [first, second] = [requests.ask('a', DATA, LONG), requests.ask('b', DATA, LONG)];
    answer(1, Uint8Array.of(2));
    answer(0, Uint8Array.of(1));
    expect(await Promise.all([first, second])).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
  });

  test("takes the first of two answers, and the other is nobody's", async () => {
    const { requests, answer } = requestsOver();
    const first = requests.ask('a', DATA, LONG);
    answer(0, Uint8Array.of(1));
    answer(0, Uint8Array.of(9));
    const second = requests.ask('a', DATA, LONG);
    answer(0, Uint8Array.of(9));
    answer(1, Uint8Array.of(2));
    expect([await first, await second]).toEqual([Uint8Array.of(1), Uint8Array.of(2)]);
  });

  test('that is not answered in time fails, and an answer that comes too late changes nothing', async () => {
    jest.useFakeTimers();
    try {
      const { requests, answer } = requestsOver();
      const late = codeOf(requests.ask('a', DATA, { timeoutMs: 1_000 }));
      const other = requests.ask('b', DATA, LONG);
      await jest.advanceTimersByTimeAsync(2_000);
      expect(await late).toBe('STORE_UNAVAILABLE');
      answer(0);
      answer(1, Uint8Array.of(2));
      expect(await other).toEqual(Uint8Array.of(2));
    } finally {
      jest.useRealTimers();
    }
  });

  test('that nobody is there to answer fails at once', async () => {
    const { requests, answer } = requestsOver();
    const asked = codeOf(requests.ask('a', DATA, LONG));
    answer(0, new Uint8Array(), { code: 503 });
    expect(await asked).toBe('STORE_UNAVAILABLE');
  });

  test('fails with the connection', async () => {
    const { requests } = requestsOver();
    const all = [1, 2, 3].map(() => codeOf(requests.ask('a', DATA, LONG)));
    requests.end(Object.assign(new Error('over'), { code: 'STORE_UNREACHABLE' }));
    expect(await Promise.all(all)).toEqual(Array(3).fill('STORE_UNREACHABLE'));
  });
});
