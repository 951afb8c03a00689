import { expect, test } from '@jest/globals';
import { FailureLog } from './failure-log.js';
import { ServerError } from './server-error.js';

function scene() {
  const lines: { fields: Record<string, unknown>; message: string }[] = [];
  const log = (fields: object, message: string) =>
    void lines.push({ fields: { ...fields }, message });
  let nowMs = 0;
  const failures = new FailureLog({ info: log, warn: log, error: log }, () => nowMs);
  return { lines, failures, pass: (ms: number) => (nowMs += ms) };
}

test('many failures of one kind are one line, and the next line tells how many', () => {
  const { lines, failures, pass } = scene();
  for (let n = 0; n < 500; n++) failures.failed(new ServerError('CANNOT_LISTEN'));
  failures.failed(new ServerError('BAD_OPTION'));
  failures.failed(null);
  expect(lines).toHaveLength(3);
  pass(10_000);
  failures.failed(new ServerError('CANNOT_LISTEN'));
  expect(lines.at(-1)?.fields).toMatchObject({ failuresSinceLastLine: 499 });
  expect(lines).toHaveLength(4);
});

test('a store that goes and comes is a line each', () => {
  const { lines, failures } = scene();
  for (const answers of [true, true, false, false, true, true]) {
    failures.seen({ answers, isFull: false });
  }
  expect(lines.map(({ message }) => message.split(':')[0])).toEqual([
    'store is away',
    'store is back',
  ]);
});

test('a store without room, and with room again, is a line each', () => {
  const { lines, failures } = scene();
  for (const isFull of [false, true, true, false]) failures.seen({ answers: true, isFull });
  expect(lines.map(({ message }) => message.split(':')[0])).toEqual([
    'no room left',
    'there is room again',
  ]);
});
