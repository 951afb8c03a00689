/** An agent that asks for names as fast as it can, of a hub that has very many. */
import { describe, expect, test } from '@jest/globals';
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';
import { MemoryHubStore } from '../src/index.js';
import type { NameQuery } from '../src/index.js';
import { alice, bench, bob, carol, seededRandom } from './core-harness.js';

const PAGE = 1_000;
/** What one page of so many names costs: 1, and 1 more for every 250. */
const COST = 5;
const { requestsPerSecond, requestBurst, pendingRequests } = PROTOCOL_LIMITS;

/** A store with as many names as are asked for. */
class EndlessRoster extends MemoryHubStore {
  pages = 0;
  handedOut = 0;
  /** Called with each page. */
  onPage: () => void = () => undefined;

  override names({ max }: NameQuery): Promise<readonly string[]> {
    this.pages += 1;
    this.handedOut += max;
    this.onPage();
    return Promise.resolve(Array.from({ length: max }, (_, n) => `name-${n}`));
  }
}

async function scene() {
  const store = new EndlessRoster({ random: seededRandom(7) });
  const setup = await bench({ store });
  const [attacker, honest, reader] = [
    await setup.join(alice, 'attacker'),
    await setup.join(bob, 'honest'),
    await setup.join(carol, 'reader'),
  ];
  const flood = (count: number): void => {
    for (let n = 0; n < count; n++) attacker.send({ type: 'list', max: PAGE });
  };
  return { ...setup, store, attacker, honest, reader, flood };
}

describe('T-A76 list-flood', () => {
  test('an identity gets as many pages as its rate says, whatever it asks for', async () => {
    const { host, store, attacker, flood } = await scene();
    for (let second = 0; second <= 10; second++) {
      for (let part = 0; part < 10; part++) {
        flood(50);
        await host.settle();
        host.nowMs += 100;
      }
    }
    const most = (requestBurst + 11 * requestsPerSecond) / COST;
    expect(store.pages).toBeLessThanOrEqual(most);
    expect(store.pages).toBeGreaterThan(most / 2);
    expect(store.handedOut).toBeLessThanOrEqual(most * PAGE);
    const refused = attacker.link.take('error').map(({ code }) => code);
    expect(new Set(refused)).toEqual(new Set(['RATE_LIMITED']));
    expect(refused.length + store.pages).toBe(11 * 500);
  });

  test('many at once are done one in a turn of the loop, and others are served between', async () => {
    const { host, store, honest, reader, flood } = await scene();
    const turns: number[] = [];
    let turn = 0;
    store.onPage = () => turns.push(turn);
    const step = async (): Promise<void> => {
      turn += 1;
      await host.turn();
    };
    flood(pendingRequests);
    honest.sendTo(carol, 1);
    for (let n = 0; honest.link.frames.every(({ type }) => type !== 'sent'); n++) {
      expect(n).toBeLessThan(10);
      await step();
    }
    // Stored, and on its way, before a tenth of the names.
    expect(store.pages).toBeLessThan(10);
    expect(reader.link.take('deliver')).toHaveLength(1);
    while (store.pages < pendingRequests) await step();
    expect(new Set(turns).size).toBe(pendingRequests);
    await host.settle();
  });

  test('whoever goes on after thousands of refusals is closed', async () => {
    const { host, attacker, flood } = await scene();
    for (let n = 0; n < 120 && attacker.link.closedWith === null; n++) {
      flood(100);
      await host.settle();
    }
    expect(attacker.link.closedWith).toBe(4_429);
    expect(attacker.link.take('bye').map(({ code }) => code)).toEqual(['FLOOD']);
  });
});
