/**
 * What an agent says to a program in its errors, as a person at the command reads it: commands, and
 * no calls.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { reportOf } from '../src/control/error.js';

/** Texts of the agent's errors, joined where they go over several lines. */
function textsOfAgent(): string[] {
  const path = new URL('../../agent/src/ground/errors.ts', import.meta.url);
  const source = readFileSync(path, 'utf8').replaceAll(/' \+\n\s*'/g, '');
  const lines = source.split('\n').filter((line) => !/^\s*(\*|\/)/.test(line));
  return lines.flatMap((line) => [...line.matchAll(/'([^']+)'/g)].map(([, text = '']) => text));
}

const CALL = /\w\([\w, ]*\)/;
/** Where a loop or a middleware of the program is at fault, a call is what its author needs. */
const OF_PROGRAMS =
  /The loop over messages\(\)|A middleware has called|envelope that seal\(\) made/;

describe('an error of an agent', () => {
  test('names no call to a person at the command', () => {
    const texts = textsOfAgent().filter((text) => CALL.test(text) && !OF_PROGRAMS.test(text));
    // There are some, or nothing is shown here.
    expect(texts.length).toBeGreaterThan(5);
    for (const text of texts) {
      const { message } = reportOf(Object.assign(new Error(text), { code: 'ANY' }));
      expect(message).not.toMatch(CALL);
    }
  });

  test('about a peer that nobody knows here says how to meet it', () => {
    const said = 'Nothing is known of this peer: send to it or call connect() first (zed)';
    const report = reportOf(Object.assign(new Error(said), { code: 'UNKNOWN_PEER' }));
    expect(report).toMatchObject({
      message: 'Nothing is known of this peer: send to it first, or join it with an invite (zed)',
      remedy: 'agentmesh contacts lists the peers that are known here',
    });
  });
});
