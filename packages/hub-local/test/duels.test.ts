/**
 * Two processes with one identity that are started again whenever they are displaced: after a few
 * rounds one of them stays, and both have been told what to do.
 */
import { expect, test } from '@jest/globals';
import { alice, bench } from './core-harness.js';
import type { Bench, CoreClient } from './core-harness.js';

/** What a client was told last: admitted, or the code of its refusal. */
function answer(client: CoreClient): string {
  const [error] = client.link.take('error');
  return error?.code ?? (client.link.take('auth_ok').length > 0 ? 'admitted' : 'nothing');
}

/** Processes in turn, each a later opening of its store; gives the last one let in. */
async function duel({ join }: Bench, rounds: number): Promise<CoreClient> {
  let last: CoreClient | null = null;
  for (let boot = 1; boot <= rounds; boot++) {
    const client = await join(alice, 'alice', boot);
    expect(answer(client)).toBe('admitted');
    if (last !== null) expect(last.link.take('bye')).toMatchObject([{ code: 'DISPLACED' }]);
    last = client;
  }
  if (last === null) throw new TypeError('no rounds');
  return last;
}

test('the later one waits after a few displacements, is told so, and the other one stays', async () => {
  const world = await bench();
  const winner = await duel(world, 5);
  const later = await world.join(alice, 'alice', 6);
  const [error] = later.link.take('error');
  expect(error).toMatchObject({ code: 'IN_USE', retryAfter: 60_000 });
  expect(error?.signature).toBeUndefined();
  expect(winner.link.closedWith).toBeNull();
  expect(winner.link.take('bye')).toEqual([]);
});

test('the one that stays may lose its connection and come back at once', async () => {
  const world = await bench();
  const winner = await duel(world, 5);
  expect(answer(await world.join(alice, 'alice', 6))).toBe('IN_USE');
  winner.connection.closed();
  expect(answer(await world.join(alice, 'alice', 5))).toBe('admitted');
});

test('a minute later the other one may come in again', async () => {
  const world = await bench();
  await duel(world, 5);
  for (let second = 0; second < 61; second++) {
    world.host.nowMs += 1_000;
    world.core.tick();
  }
  expect(answer(await world.join(alice, 'alice', 6))).toBe('admitted');
});

test('one process on a bad network, which displaces itself, is never taken for two', async () => {
  const world = await bench();
  for (let round = 0; round < 20; round++) {
    expect(answer(await world.join(alice, 'alice', 1))).toBe('admitted');
  }
});
