/**
 * Runs that end the process are counted, so that no message can do that for ever: those of an
 * agent that is closed are not, nor those that got on.
 */
import { describe, expect, test } from '@jest/globals';
import type { Agent } from '../src/index.js';
import { AGENT_LIMITS } from '../src/ground/limits.js';
import { acquainted } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const { handlerAttempts } = AGENT_LIMITS;
const never = (): Promise<never> => new Promise(() => {});

/** Begins an agent again and again while a handler of it works; returns the last one. */
async function lives(
  world: World,
  first: Resident,
  about: { readonly end: 'kill' | 'close'; readonly count: number },
  serve: (agent: Agent) => void,
): Promise<Resident> {
  let resident = first;
  serve(resident.agent);
  for (let life = 0; life < about.count; life++) {
    await world.advance(1_000);
    await world[about.end](resident);
    resident.store.beforeCommit = null;
    resident = await world.agentWithoutHandler(resident.name, {}, resident);
    serve(resident.agent);
  }
  await world.advance(1_000);
  return resident;
}

describe('a handler that ends its process each time', () => {
  test.each(['request', 'message'])(
    'has a %s a few times, which is a dead letter then',
    async (what) => {
      await using world = await World.create();
      const { alice, bob } = await acquainted(world);
      const handled =
        what === 'request'
          ? (await world.finish(alice.agent.call('bob', 'poison'))).answer()
          : (await world.finish(alice.agent.send('bob', 'poison'))).handled;
      handled.catch(() => undefined);
      let runs = 0;
      const again = await lives(world, bob, { end: 'kill', count: 10 }, (agent) => {
        const work = (): Promise<never> => {
          runs += 1;
          return never();
        };
        if (what === 'request') agent.onRequest(work);
        else agent.onMessage(work);
      });
      await expect(world.finish<unknown>(handled)).rejects.toMatchObject({ code: 'FAILED' });
      // Of the first one nobody knows whether it began.
      expect(runs).toBe(1 + handlerAttempts);
      expect(await again.agent.deadLetters()).toMatchObject([{ text: 'poison' }]);
    },
  );

  test('has a request a few times, also beside a mailbox', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const call = await world.finish(alice.agent.call('bob', 'poison'));
    let runs = 0;
    await lives(world, bob, { end: 'kill', count: 10 }, (agent) => {
      agent.openMailbox();
      agent.onRequest(() => {
        runs += 1;
        return never();
      });
    });
    await expect(world.finish(call.answer())).rejects.toMatchObject({ code: 'FAILED' });
    expect(runs).toBe(1 + handlerAttempts);
  });
});

describe('a handler at work is not counted', () => {
  test.each(['request', 'message'])('when its agent is closed: a %s', async (what) => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const ended: Promise<unknown> =
      what === 'request'
        ? (await world.finish(alice.agent.call('bob', 'long'))).answer()
        : (await world.finish(alice.agent.send('bob', 'long'))).handled;
    let runs = 0;
    const again = await lives(world, bob, { end: 'close', count: 10 }, (agent) => {
      const work = (): Promise<void> => {
        runs += 1;
        return runs > 10 ? Promise.resolve() : never();
      };
      if (what === 'request') agent.onRequest(work);
      else agent.onMessage(work);
    });
    await world.finish(ended);
    expect(runs).toBe(11);
    expect(await again.agent.deadLetters()).toEqual([]);
  });

  test('when a step of it was kept since', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const call = await world.finish(alice.agent.call('bob', 'ten steps'));
    const steps: number[] = [];
    const again = await lives(world, bob, { end: 'kill', count: 10 }, (agent) => {
      agent.onRequest(async (_request, context) => {
        let isNew = false;
        for (let step = 0; step < 10; step++) {
          if (isNew) await never();
          await context.once(`step ${step}`, () => {
            steps.push(step);
            isNew = true;
          });
        }
        return { steps: steps.length };
      });
    });
    expect(await world.finish(call.answer())).toEqual({ steps: 10 });
    expect(steps).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await again.agent.deadLetters()).toEqual([]);
  });

  test('when chunks of it were sent since', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const stream = alice.agent.stream('bob', 'ten chunks');
    const again = await lives(world, bob, { end: 'kill', count: 10 }, (agent) => {
      agent.onStream(async function* (_request, { from }) {
        if (from < 10) yield from;
        if (from < 9) await never();
        return { from };
      });
    });
    const chunks: unknown[] = [];
    const reading = (async () => {
      for await (const chunk of stream) chunks.push(chunk);
      return await stream.result;
    })();
    expect(await world.finish(reading)).toEqual({ from: 9 });
    expect(chunks).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await again.agent.deadLetters()).toEqual([]);
  });
});
