/**
 * Order of what one sender has under way to one recipient, when the hub has room for some of it
 * only: nothing overtakes what was refused.
 */
import { describe, expect, test } from '@jest/globals';
import { alice, bench, bob, carol } from './core-harness.js';

describe('envelopes under way', () => {
  test('a full queue that gets room between two envelopes lets none of them overtake', async () => {
    const { host, join } = await bench({ limits: { queueMessages: 4 } });
    const receiver = await join(bob, 'bob');
    const sender = await join(alice, 'alice');
    sender.link.frames.length = 0;
    // A sender's share of this queue is one envelope: the second has no room.
    const first = sender.sendTo(bob, 1);
    await host.settle();
    const second = sender.sendTo(bob, 2, { after: first });
    await host.settle();
    expect(sender.link.take('error').map(({ re, code }) => [re, code])).toEqual([
      [second, 'QUEUE_FULL'],
    ]);
    // There is room again when what was sent right after it arrives.
    receiver.connection.receive({ ok: true, frame: { type: 'ack', seqs: [1] } }, '');
    const third = sender.sendTo(bob, 3, { after: second });
    const fourth = sender.sendTo(bob, 4, { after: third });
    await host.settle();
    expect(sender.link.take('error').map(({ re, code }) => [re, code])).toEqual([
      [third, 'QUEUE_FULL'],
      [fourth, 'QUEUE_FULL'],
    ]);
    // The client knows now, and sends again from the first that was refused on.
    sender.sendTo(bob, 2);
    await host.settle();
    expect(receiver.link.take('deliver').map(({ envelope }) => envelope.blob[0])).toEqual([1, 2]);
  });

  test('those of one turn are refused with the first that has no room', async () => {
    const { host, join } = await bench({ limits: { queueMessages: 8, queueBytes: 8_000 } });
    const receiver = await join(bob, 'bob');
    const sender = await join(alice, 'alice');
    sender.link.frames.length = 0;
    // A sender's share is 2,000 bytes: the second does not fit, the third alone would.
    const first = sender.sendTo(bob, 1, { size: 1_000 });
    const second = sender.sendTo(bob, 2, { size: 1_500, after: first });
    const third = sender.sendTo(bob, 3, { size: 10, after: second });
    await host.settle();
    expect(sender.link.take('sent').map(({ re }) => re)).toEqual([first]);
    expect(sender.link.take('error').map(({ re }) => re)).toEqual([second, third]);
    expect(receiver.link.take('deliver')).toHaveLength(1);
  });

  test('a refusal of the rate holds for what follows, and costs nothing more', async () => {
    const { host, join } = await bench({ limits: { sendBurst: 1, sendsPerSecond: 1 } });
    await join(bob, 'bob');
    const sender = await join(alice, 'alice');
    sender.link.frames.length = 0;
    const first = sender.sendTo(bob, 1);
    const second = sender.sendTo(bob, 2, { after: first });
    host.nowMs += 1_000;
    const third = sender.sendTo(bob, 3, { after: second });
    await host.settle();
    expect(sender.link.take('error').map(({ re, code }) => [re, code])).toEqual([
      [second, 'RATE_LIMITED'],
      [third, 'RATE_LIMITED'],
    ]);
    sender.sendTo(bob, 2);
    await host.settle();
    expect(sender.link.take('error')).toEqual([]);
  });

  test('other recipients, and refusals that nothing helps, hold nobody up', async () => {
    const { host, join } = await bench({ limits: { queueMessages: 4 } });
    await join(bob, 'bob');
    await join(carol, 'carol');
    const sender = await join(alice, 'alice');
    sender.link.frames.length = 0;
    const first = sender.sendTo(bob, 1, { size: 1_048_577 });
    const second = sender.sendTo(bob, 2, { after: first });
    const third = sender.sendTo(bob, 3, { after: second });
    const other = sender.sendTo(carol, 4);
    await host.settle();
    expect(sender.link.take('error').map(({ re, code }) => [re, code])).toEqual([
      [first, 'TOO_LARGE'],
      [third, 'QUEUE_FULL'],
    ]);
    expect(sender.link.take('sent').map(({ re }) => re)).toEqual([second, other]);
  });
});
