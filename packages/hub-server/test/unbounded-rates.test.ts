/**
 * A hub without rates, as benchmarks use it: what it announces is something that a client can keep
 * to, and nothing waits.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { ready } from '@agentmesh/protocol';
import { join, newAgent, withServer } from './test-clients.js';

beforeAll(() => ready());

test('a hub without rates greets its clients, and takes more than any burst at once', () =>
  withServer({ unboundedRates: true }, async (server) => {
    const bob = newAgent('bob');
    await (await join(server.port, bob)).close();
    const alice = await join(server.port, newAgent('alice'));
    const sends = Array.from({ length: 900 }, (_, n) => {
      const id = new Uint8Array(16);
      new DataView(id.buffer).setUint32(0, n);
      return alice.send({ id, to: bob.aid, ttlSeconds: 60, blob: id });
    });
    const startedMs = performance.now();
    // A stranger's sixteenth of a queue is 625: what comes after it is refused, not delayed.
    const results = await Promise.allSettled(sends);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(625);
    expect(performance.now() - startedMs).toBeLessThan(4_000);
  }));
