import { describe, expect, test } from '@jest/globals';
import type { HubTraffic } from 'agentmesh';
import { ciphertextOf, linesOf, rowsOf, tableLines } from './table.js';

function traffic(type: 1 | 2, length: number, change: Partial<HubTraffic> = {}): HubTraffic {
  const blob = Uint8Array.from({ length }, (_, index) => index & 0xff);
  blob[1] = type;
  const aid = new Uint8Array(32);
  const names = { fromName: 'alice', toName: 'bob' };
  const places = { id: new Uint8Array(16), from: aid, to: aid, seq: 1, tsMs: 0, blob };
  return { ...names, ...places, ...change };
}

const hello = { from: 'alice', to: 'bob', text: 'Hello\n  Bob' };

test('the ciphertext begins behind header and header tag of either type', () => {
  expect(ciphertextOf(traffic(1, 1560).blob)).toHaveLength(272);
  expect(ciphertextOf(traffic(2, 364).blob)).toHaveLength(272);
});

describe('rows', () => {
  test('envelopes and messages between two agents are paired in their order', () => {
    const back = traffic(2, 364, { fromName: 'bob', toName: 'alice' });
    const answer = { from: 'bob', to: 'alice', text: 'Hello Alice' };
    const rows = rowsOf(
      [traffic(1, 1560), back, traffic(1, 1576), traffic(2, 364)],
      [hello, { ...hello, text: 'Again' }, answer],
    );
    expect(rows.map(({ agents, hub }) => [agents?.text ?? null, hub.bytes])).toEqual([
      ['Hello\n  Bob', 1560],
      ['Hello Alice', 364],
      ['Again', 1576],
      [null, 364],
    ]);
    expect(rows[0]?.hub).toEqual({ from: 'alice', to: 'bob', bytes: 1560 });
    expect(rows.map(({ ciphertext }) => ciphertext).slice(0, 2)).toEqual([
      '08 09 0a 0b 0c 0d',
      '5c 5d 5e 5f 60 61',
    ]);
  });

  test('a long name and an address are cut', () => {
    const envelope = traffic(2, 364, { toName: `am2${'a'.repeat(52)}` });
    expect(rowsOf([envelope], [])[0]?.hub.to).toBe('am2aaaaaaaa…');
  });
});

describe('lines', () => {
  const rows = linesOf(rowsOf([traffic(1, 1560)], [hello]));

  test('both views of a message stand in one line, white space made single', () => {
    const [head, rule, line, ...rest] = tableLines(rows, 100);
    expect(head).toMatch(/^what the agents saw +│ what the hub saw: size, ciphertext$/);
    expect(rule).toMatch(/^─+┼─+$/);
    expect(line).toMatch(
      /^alice → bob {2}Hello Bob +│ alice → bob +1,560 B {2}08 09 0a 0b 0c 0d …$/,
    );
    expect(rest).toEqual([]);
  });

  test('no line is wider than the screen, however long a message is', () => {
    const wordy = { ...hello, text: 'word '.repeat(100) };
    const long = linesOf(rowsOf([traffic(1, 1_048_576)], [wordy]));
    for (const width of [80, 100, 120]) {
      const lengths = tableLines(long, width).map((line) => line.length);
      expect(Math.max(...lengths)).toBeLessThanOrEqual(width);
    }
    expect(tableLines(long, 80)[2]).toMatch(/word wor… │ alice/);
  });

  test('what no application sees is said to be that', () => {
    const receipts = linesOf(rowsOf([traffic(2, 364)], []));
    expect(tableLines(receipts, 100)[2]).toMatch(/^\(nothing: it was for the agent itself\)/);
  });

  test('the envelopes of a stream are one line for each way, in whatever order they went', () => {
    const back = { fromName: 'bob', toName: 'alice' };
    const envelopes = [
      traffic(2, 364),
      traffic(2, 1_000, back),
      traffic(2, 364),
      traffic(2, 400, back),
      traffic(2, 364),
    ];
    const rows = rowsOf(envelopes, [hello], [hello]);
    expect(rows).toHaveLength(5);
    const lines = linesOf(rows).map(({ agents, hub, envelopes: count }) => {
      return [agents?.text ?? null, hub.from, hub.bytes, count];
    });
    expect(lines).toEqual([
      [hello.text, 'alice', 364, 1],
      [null, 'bob', 1_400, 2],
      [null, 'alice', 728, 2],
    ]);
    expect(tableLines(linesOf(rows), 100)[3]).toMatch(
      /^bob → alice {2}\(2 envelopes of a stream\)/,
    );
  });
});
