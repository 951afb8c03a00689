import { describe, expect, test } from '@jest/globals';
import type { CommitResult, NewEnvelope, QueueChanges } from './hub-store.js';
import { QueueWriter } from './queue-writer.js';

const quota = { messages: 9, bytes: 9, senderMessages: 9, senderBytes: 9, retiredMs: 9 };
const recipient = new Uint8Array(32);

/** A store whose commits end when the test says so. */
function desk(commitEnvelopes = 100) {
  const commits: { changes: QueueChanges; end: (result: CommitResult | 'fails') => void }[] = [];
  const deferred: (() => void)[] = [];
  const told: string[] = [];
  const writer = new QueueWriter({
    store: {
      commit: (changes) =>
        new Promise((resolve, reject) => {
          const end = (result: CommitResult | 'fails') => {
            if (result === 'fails') reject(new RangeError('full'));
            else resolve(result);
          };
          commits.push({ changes, end });
        }),
    },
    quota,
    commitEnvelopes,
    clock: () => 5,
    defer: (task) => deferred.push(task),
    onNotified: () => told.push('notified'),
    onFailure: () => told.push('failure'),
  });
  const append = (id: number, sender = 'one') => {
    const envelope = { id: Uint8Array.of(id), blob: new Uint8Array(10) } as NewEnvelope;
    writer.append({ envelope, sender, settle: ({ status }) => told.push(`${id} ${status}`) });
  };
  const turn = async () => {
    for (const task of deferred.splice(0)) task();
    await Promise.resolve();
    await Promise.resolve();
  };
  const end = async (at: number, statuses: ('stored' | 'queue_full')[] | 'fails') => {
    if (statuses === 'fails') commits[at]?.end('fails');
    else {
      const appended = statuses.map((status) =>
        status === 'stored' ? { status, seq: 1, follows: 0 } : { status },
      );
      commits[at]?.end({ appended, notified: [recipient] });
    }
    await turn();
  };
  const idsOf = (at: number) => commits[at]?.changes.append.map(({ id }) => id[0]);
  return { writer, commits, told, append, turn, end, idsOf };
}

describe('the queue writer', () => {
  test('commits what one turn brought at once, and answers after the commit', async () => {
    const { writer, commits, told, append, turn, end, idsOf } = desk();
    append(1);
    writer.acknowledge(recipient, 7);
    writer.acknowledge(recipient, 8);
    append(2);
    expect(commits).toHaveLength(0);
    await turn();
    expect(idsOf(0)).toEqual([1, 2]);
    expect(commits[0]?.changes).toMatchObject({
      nowMs: 5,
      quota,
      acknowledge: [{ recipient, seqs: [7, 8] }],
    });
    expect([told, writer.uncommittedBytes]).toEqual([[], 20]);
    await end(0, ['stored', 'queue_full']);
    expect(told).toEqual(['1 stored', '2 queue_full', 'notified']);
    expect(writer.uncommittedBytes).toBe(0);
  });

  test('one commit runs at a time; what comes meanwhile follows at once, in order', async () => {
    const { commits, told, append, turn, end, idsOf } = desk();
    append(1);
    await turn();
    append(2);
    await turn();
    append(3);
    await turn();
    expect(commits).toHaveLength(1);
    await end(0, ['stored']);
    expect(idsOf(1)).toEqual([2, 3]);
    await end(1, ['stored', 'stored']);
    expect(told.filter((what) => what !== 'notified')).toEqual([
      '1 stored',
      '2 stored',
      '3 stored',
    ]);
  });

  test('many envelopes do not wait for the end of the turn', () => {
    const { commits, append, idsOf } = desk(3);
    for (const id of [1, 2, 3, 4]) append(id);
    expect(commits).toHaveLength(1);
    expect(idsOf(0)).toEqual([1, 2, 3]);
  });

  test('a commit takes so many, and each sender its share: who floods waits, the others do not', async () => {
    const { commits, append, turn, end, idsOf } = desk(60);
    // Of the first commit nobody knows yet who else will come.
    for (let n = 0; n < 1_000; n++) append(0, 'flood');
    await turn();
    for (let id = 1; id <= 50; id++) append(id, `honest ${id}`);
    await turn();
    expect(commits).toHaveLength(1);
    expect(idsOf(0)).toHaveLength(60);
    await end(0, Array<'stored'>(60).fill('stored'));
    const second = idsOf(1) ?? [];
    expect(second).toHaveLength(60);
    expect(new Set(second).size).toBe(51);
  });

  test('T-A12 flood: beside others a commit takes little of one sender, so that it is short', async () => {
    const { append, turn, end, idsOf } = desk(512);
    for (let n = 0; n < 1_000; n++) append(0, 'flood');
    await turn();
    // Alone, it gets as much as fits.
    expect(idsOf(0)).toHaveLength(512);
    append(1, 'honest');
    await end(0, Array<'stored'>(512).fill('stored'));
    const second = idsOf(1) ?? [];
    expect(second).toContain(1);
    expect(second.length).toBeLessThanOrEqual(40);
    await end(1, Array<'stored'>(second.length).fill('stored'));
    expect(idsOf(2)?.length).toBeGreaterThan(20);
    expect(idsOf(2)?.length).toBeLessThanOrEqual(40);
  });

  test('senders of the same speed get a commit as large as they fill it together', async () => {
    const { append, turn, end, idsOf } = desk(512);
    for (let n = 0; n < 100; n++) {
      for (let sender = 0; sender < 8; sender++) append(sender, `sender ${sender}`);
    }
    await end(0, Array<'stored'>(512).fill('stored'));
    for (let n = 0; n < 100; n++) {
      for (let sender = 0; sender < 8; sender++) append(sender, `sender ${sender}`);
    }
    await turn();
    await end(1, Array<'stored'>(idsOf(1)?.length ?? 0).fill('stored'));
    expect(idsOf(2)).toHaveLength(512);
    const counts = [0, 1, 2, 3, 4, 5, 6, 7].map(
      (id) => idsOf(2)?.filter((one) => one === id).length,
    );
    for (const count of counts) expect(Math.abs((count ?? 0) - 64)).toBeLessThanOrEqual(8);
  });

  test('T-A74 all-at-once: what one recipient brings at once is divided, others are between', async () => {
    const { writer, commits, append, turn, end, idsOf } = desk(512);
    const leaver = new Uint8Array(32).fill(1);
    for (let seq = 1; seq <= 10_000; seq++) {
      writer.acknowledge(leaver, seq);
      writer.reschedule({ recipient: leaver, seq: 10_000 + seq, attempt: 2, notBeforeMs: 0 });
      writer.deadLetter({ recipient: leaver, seq: 20_000 + seq });
    }
    await turn();
    append(1, 'honest');
    const seen = { acknowledge: 0, reschedule: 0, deadLetter: 0 };
    for (let at = 0; commits[at] !== undefined; at++) {
      const { acknowledge, reschedule, deadLetter } = commits[at]?.changes ?? {};
      const count = acknowledge?.reduce((sum, { seqs }) => sum + seqs.length, 0) ?? 0;
      expect(count).toBeLessThanOrEqual(256);
      expect(reschedule?.length).toBeLessThanOrEqual(256);
      expect(deadLetter?.length).toBeLessThanOrEqual(256);
      seen.acknowledge += count;
      seen.reschedule += reschedule?.length ?? 0;
      seen.deadLetter += deadLetter?.length ?? 0;
      await end(at, Array<'stored'>(idsOf(at)?.length ?? 0).fill('stored'));
    }
    expect(idsOf(1)).toEqual([1]);
    expect(seen).toEqual({ acknowledge: 10_000, reschedule: 10_000, deadLetter: 10_000 });
    expect(commits).toHaveLength(40);
  });

  test('a reading waits for what was called of its queue, not for all that another one left', async () => {
    const { writer, commits, told, turn, end } = desk(512);
    const [leaver, reader] = [1, 2].map((n) => new Uint8Array(32).fill(n)) as [
      Uint8Array,
      Uint8Array,
    ];
    const acknowledge = (queue: Uint8Array, first: number, count: number): void => {
      for (let seq = first; seq < first + count; seq++) writer.acknowledge(queue, seq);
    };
    acknowledge(leaver, 1, 1_000);
    writer.whenSettled(() => told.push('leaver'), leaver);
    writer.whenSettled(() => told.push('all'));
    await turn();
    acknowledge(reader, 1, 10);
    acknowledge(leaver, 1_001, 1_000);
    writer.whenSettled(() => told.push('reader'), reader);
    writer.whenSettled(() => told.push('nobody'), recipient);
    const words = (): string[] => told.splice(0).filter((word) => word !== 'notified');
    await end(0, []);
    expect(words()).toEqual([]);
    await end(1, []);
    expect(words()).toEqual(['nobody']);
    await end(2, []);
    expect(words()).toEqual([]);
    await end(3, []);
    // What was called after it delays no task.
    expect(words()).toEqual(['leaver', 'all']);
    await end(4, []);
    await end(5, []);
    expect(words()).toContain('reader');
    for (let at = 6; commits[at] !== undefined; at++) await end(at, []);
    expect(words()).toEqual([]);
  });

  test('settled waits for all that was called before, also where it takes several commits', async () => {
    const { writer, commits, told, append, turn, end } = desk(2);
    for (const id of [1, 2, 3, 4, 5]) append(id, `sender ${id}`);
    writer.whenSettled(() => told.push('after'));
    for (const id of [6, 7]) append(id, 'late');
    await turn();
    for (let at = 0; at < 3; at++) {
      expect(told).not.toContain('after');
      await end(at, ['stored', 'stored']);
    }
    expect(told.filter((what) => what !== 'notified').slice(0, 7)).toContain('after');
    expect(commits).toHaveLength(4);
  });

  test('settled is what was called before, and no more', async () => {
    const { writer, told, append, turn, end } = desk();
    writer.whenSettled(() => told.push('at once'));
    append(1);
    writer.whenSettled(() => told.push('after 1'));
    await turn();
    append(2);
    writer.whenSettled(() => told.push('after 2'));
    await end(0, ['stored']);
    expect(told).toEqual(['at once', '1 stored', 'notified', 'after 1']);
    await end(1, ['stored']);
    expect(told.slice(4)).toEqual(['2 stored', 'notified', 'after 2']);
  });

  test('a failed commit is told to the senders; the rest is kept for the next', async () => {
    const { writer, commits, told, append, turn, end, idsOf } = desk();
    append(1);
    writer.acknowledge(recipient, 7);
    writer.reschedule({ recipient, seq: 8, attempt: 2, notBeforeMs: 0 });
    writer.deadLetter({ recipient, seq: 9 });
    writer.whenSettled(() => told.push('after'));
    await turn();
    writer.acknowledge(recipient, 10);
    await end(0, 'fails');
    expect(told).toEqual(['failure', '1 storage', 'after']);
    await turn();
    expect(commits).toHaveLength(1);
    append(2);
    await turn();
    expect(idsOf(1)).toEqual([2]);
    expect(commits[1]?.changes).toMatchObject({
      acknowledge: [{ seqs: [7] }],
      reschedule: [{ seq: 8 }],
      deadLetter: [{ seq: 9 }],
    });
    await end(1, ['stored']);
    expect(commits[2]?.changes).toMatchObject({ acknowledge: [{ seqs: [10] }], reschedule: [] });
  });

  test('what came while a commit failed is tried by itself', async () => {
    const { append, turn, end, idsOf } = desk();
    append(1);
    await turn();
    append(2);
    await end(0, 'fails');
    await turn();
    expect(idsOf(1)).toEqual([2]);
  });
});
