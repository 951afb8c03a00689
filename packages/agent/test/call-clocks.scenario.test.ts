/**
 * Deadlines where no two clocks agree (protocol.md §2.19): those of caller, callee and hub are an
 * hour apart, or are set while a request is on its way.
 */
import { describe, expect, test } from '@jest/globals';
import { World } from './world.js';
import type { Resident } from './world.js';

const HOUR_MS = 3_600_000;
const SHIFTS = [-HOUR_MS, 0, HOUR_MS];
const clocks = SHIFTS.flatMap((caller) =>
  SHIFTS.flatMap((callee) => SHIFTS.map((hub) => [caller, callee, hub] as const)),
);

/** An agent whose clock is not the world's; `shift` may change while it runs. */
async function shifted(world: World, name: string, shift: { ms: number }): Promise<Resident> {
  const runtime = world.runtime();
  const now = (): number => runtime.now() + shift.ms;
  return await world.agentWithoutHandler(name, { runtime: { ...runtime, now } });
}

/** The hub's clock is this far from the world's. */
function shiftHub(world: World, ms: number): void {
  world.hub.deviations.session = (session) => ({ ...session, timeMs: session.timeMs + ms });
}

describe('clocks an hour apart', () => {
  test.each(clocks)(
    'caller %d ms, callee %d ms, hub %d ms: a request lasts as long as its caller waits',
    async (callerMs, calleeMs, hubMs) => {
      await using world = await World.create();
      shiftHub(world, hubMs);
      const alice = await shifted(world, 'alice', { ms: callerMs });
      const bob = await shifted(world, 'bob', { ms: calleeMs });
      const seen: { text: string; leftMs: number }[] = [];
      const aborted: string[] = [];
      const remove = bob.agent.onRequest(({ text }, { deadline, signal }) => {
        seen.push({ text, leftMs: deadline.getTime() - (world.host.clock() + calleeMs) });
        signal.addEventListener('abort', () => void aborted.push(text));
        return text === 'hang' ? new Promise(() => {}) : { text };
      });
      const answer = await world.finish(alice.agent.request('bob', 'quick', { timeout: '20s' }));
      expect(answer).toEqual({ text: 'quick' });
      const hanging = alice.agent.request('bob', 'hang', { timeout: '20s' });
      await expect(world.finish(hanging)).rejects.toMatchObject({ code: 'DEADLINE' });
      await world.advance(2_000);
      expect(aborted).toEqual(['hang']);
      remove();
      const late = alice.agent.request('bob', 'late', { timeout: '5s' });
      late.catch(() => undefined);
      await world.advance(6_000);
      bob.agent.onRequest(({ text }) => void seen.push({ text, leftMs: 0 }));
      await expect(world.finish(late)).rejects.toMatchObject({ code: 'DEADLINE' });
      await world.advance(5_000);
      expect(seen.map(({ text }) => text)).toEqual(['quick', 'hang']);
      for (const { leftMs } of seen) {
        expect(leftMs).toBeGreaterThan(15_000);
        expect(leftMs).toBeLessThanOrEqual(21_000);
      }
    },
  );
});

describe('a clock that is set during a run', () => {
  test.each([
    ['the callee', 'ahead', HOUR_MS],
    ['the callee', 'back', -HOUR_MS],
    ['the caller', 'ahead', HOUR_MS],
    ['the caller', 'back', -HOUR_MS],
  ])('of %s, %s: requests have the time that they were given', async (who, _how, ms) => {
    await using world = await World.create();
    const shifts = { caller: { ms: 0 }, callee: { ms: 0 } };
    const alice = await shifted(world, 'alice', shifts.caller);
    const bob = await shifted(world, 'bob', shifts.callee);
    bob.agent.onRequest(({ text }) => ({ text }));
    (who === 'the caller' ? shifts.caller : shifts.callee).ms = ms;
    const asking = alice.agent.request('bob', 'still?', { timeout: '20s' });
    expect(await world.finish(asking)).toEqual({ text: 'still?' });
  });

  test('of the hub: from the next connection on its new time counts on both sides', async () => {
    await using world = await World.create();
    const alice = await shifted(world, 'alice', { ms: 0 });
    const bob = await shifted(world, 'bob', { ms: 0 });
    bob.agent.onRequest(({ text }) => ({ text }));
    shiftHub(world, HOUR_MS);
    world.network.goDown();
    await world.network.comeBack();
    await world.advance(5_000);
    const asking = alice.agent.request('bob', 'and now?', { timeout: '20s' });
    expect(await world.finish(asking)).toEqual({ text: 'and now?' });
  });
});

describe('a hub that says nonsense of its clock', () => {
  test.each([0, 1, Number.MAX_SAFE_INTEGER])(
    '%d: a request still ends, with an answer or with DEADLINE, and messages are not touched',
    async (timeMs) => {
      await using world = await World.create();
      world.hub.deviations.session = (session) => ({ ...session, timeMs });
      const alice = await world.agentWithoutHandler('alice');
      const bob = await world.agent('bob');
      bob.agent.onRequest(({ text }) => ({ text }));
      const asking = alice.agent.request('bob', 'x', { timeout: '20s' });
      const end = await world.finish(asking.catch((error: { code: string }) => error.code));
      expect([{ text: 'x' }, 'DEADLINE']).toContainEqual(end);
      await world.finish(alice.agent.send('bob', 'hello'));
      await world.advance(5_000);
      expect(bob.texts).toEqual(['hello']);
    },
  );
});
