import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '@agentmesh/hub-compliance';
import { ProtocolError } from '@agentmesh/protocol';
import {
  addressOn,
  failureOf,
  isExhausted,
  movedOn,
  routeOver,
  startedAfresh,
} from './hub-route.js';
import { settingsOf } from './options.js';

const { addresses } = settingsOf(['a', 'b:7701', 'ws://127.0.0.1:7702']);
const random = seededRandom(5);
const lost = new ProtocolError('CONNECTION_LOST');
const changed = new ProtocolError('HUB_KEY_CHANGED');

describe('a route over three addresses', () => {
  test('begins at each of them for a third of the agents, and goes on to either other', () => {
    const ways = new Map<string, number>();
    for (let agent = 0; agent < 600; agent++) {
      const route = routeOver(addresses, random);
      const way = `${addressOn(route).port} ${addressOn(movedOn(route, lost)).port}`;
      ways.set(way, (ways.get(way) ?? 0) + 1);
    }
    expect(ways.size).toBe(6);
    expect(Math.min(...ways.values())).toBeGreaterThan(60);
  });

  test('visits each once before it is exhausted, and then begins again', () => {
    let route = routeOver(addresses, random);
    const visited: number[] = [];
    while (!isExhausted(route)) {
      visited.push(addressOn(route).port);
      route = movedOn(route, lost);
    }
    expect(visited.toSorted((one, other) => one - other)).toEqual([7700, 7701, 7702]);
    expect(addressOn(route).port).toBe(visited[0]);
    expect(isExhausted(startedAfresh(route))).toBe(false);
  });

  test('fails with what may pass if anything may, and says what each address said', () => {
    const inOrder = { addresses, at: 0, failures: [] };
    const mixed = movedOn(movedOn(movedOn(inOrder, changed), lost), changed);
    expect(failureOf(mixed)).toMatchObject({
      code: 'CONNECTION_LOST',
      retryable: true,
      message: expect.stringContaining(
        'a:7700 HUB_KEY_CHANGED, b:7701 CONNECTION_LOST, ws://127.0.0.1:7702 HUB_KEY_CHANGED',
      ),
    });
    const all = movedOn(movedOn(movedOn(inOrder, changed), changed), changed);
    expect(failureOf(all)).toMatchObject({ code: 'HUB_KEY_CHANGED', retryable: false });
  });

  test('a route over one address fails with its error as it is', () => {
    const one = { addresses: addresses.slice(0, 1), at: 0, failures: [] };
    expect(failureOf(movedOn(one, lost))).toBe(lost);
  });
});
