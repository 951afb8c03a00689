/**
 * Power loss, simulated: a writing process is frozen, its database and log are copied, the part of
 * the log that was not yet on the disk is cut or spoilt, and the copy is opened. What the writer
 * was told to be durable is there, whole batches only.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, jest, test } from '@jest/globals';
import { seededRandom } from '@agentmesh/hub-compliance';
import { SqliteHubStore } from '../src/index.js';
import { freezeProcess } from './frozen-process.js';
import { inFolder, waiting } from './store-samples.js';

const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
/** 500 in a nightly run. */
const CUTS = Number(process.env['AGENTMESH_HUB_CUTS'] ?? 20);
const SCRIPT = fileURLToPath(new URL('writing-store.mjs', import.meta.url));
const CUTS_OF_A_WRITER = 25;
const KEPT = 400;
const HEADER = 32;
const FRAME_HEADER = 24;

jest.setTimeout(60_000 + CUTS * 2_000);

/** Needs to see that a process is frozen. */
const onLinux = process.platform === 'linux' ? test : test.skip;

/** A writer that can be frozen, and the last number it said is durable. */
class Writer {
  durable = 0;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(folder: string, batches: number): Promise<Writer> {
    const args = [SCRIPT, folder, String(batches)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const writer = new Writer(child);
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => (writer.durable = Number(line)));
    await once(lines, 'line');
    return writer;
  }

  async frozen(copy: () => void): Promise<void> {
    await freezeProcess(this.#child);
    copy();
    this.#child.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}

/** Where each transaction of a log ends, in bytes; frames of an earlier log do not count. */
function commitEnds(log: Buffer): number[] {
  if (log.length < HEADER) return [];
  const salt = log.subarray(16, 24);
  const frame = FRAME_HEADER + log.readUInt32BE(8);
  const ends: number[] = [];
  for (let at = HEADER; at + frame <= log.length; at += frame) {
    if (!log.subarray(at + 8, at + 16).equals(salt)) break;
    if (log.readUInt32BE(at + 4) !== 0) ends.push(at + frame);
  }
  return ends;
}

/** Numbers that end a batch, and the first number kept when that batch was the last. */
function batchEnds(upTo: number): Map<number, number> {
  const ends = new Map<number, number>([[0, 1]]);
  for (let batch = 1, last = 0, first = 1; last < upTo; batch++) {
    const size = 1 + ((batch * 7) % 20);
    const acknowledged = last - KEPT + size;
    if (acknowledged > 0) first = acknowledged + 1;
    last += size;
    ends.set(last, first);
  }
  return ends;
}

/** Opens a copy; gives the last number in it, having checked that no batch is torn. */
async function lastNumber(folder: string): Promise<number> {
  const store = await SqliteHubStore.open({ folder });
  const numbers = await waiting(store);
  const { envelopes } = await store.counts();
  await store.close();
  const last = numbers.at(-1) ?? 0;
  const first = batchEnds(last).get(last);
  expect(first).toBeDefined();
  const expected = Array.from({ length: last - (first ?? 1) + 1 }, (_, at) => (first ?? 1) + at);
  expect(numbers).toEqual(expected);
  expect(envelopes).toBe(expected.length);
  return last;
}

/** Copies both files into a folder of their own, as they are at one instant. */
async function snapshot(writer: Writer, from: string, to: string): Promise<void> {
  mkdirSync(to);
  await writer.frozen(() => {
    for (const name of ['hub.db', 'hub.db-wal']) copyFileSync(join(from, name), join(to, name));
  });
}

describe('power loss', () => {
  onLinux(`${CUTS} cuts in what was not yet durable (seed ${SEED})`, () =>
    inFolder(async (folder) => {
      const random = seededRandom(SEED);
      const number = (below: number): number => {
        const [a = 0, b = 0, c = 0] = random(3);
        return (a * 65_536 + b * 256 + c) % below;
      };
      for (let done = 0; done < CUTS; done += CUTS_OF_A_WRITER) {
        // A new one now and then, so that what is copied stays small.
        const data = join(folder, `data-${done}`);
        const writer = await Writer.start(data, 1e9);
        for (let cut = 0; cut < Math.min(CUTS_OF_A_WRITER, CUTS - done); cut++) {
          await new Promise((resolve) => {
            setTimeout(resolve, number(20));
          });
          const copy = join(folder, 'copy');
          const { durable } = writer;
          await snapshot(writer, data, copy);
          const path = join(copy, 'hub.db-wal');
          const log = readFileSync(path);
          const end = commitEnds(log).at(-1) ?? 0;
          const at = end + number(Math.max(1, log.length - end));
          if (cut % 2 === 0) writeFileSync(path, log.subarray(0, at));
          else writeFileSync(path, Buffer.concat([log.subarray(0, at), random(number(9_000))]));
          expect(await lastNumber(copy)).toBeGreaterThanOrEqual(durable);
          rmSync(copy, { recursive: true });
        }
        await writer.stop();
        rmSync(data, { recursive: true });
      }
    }),
  );

  onLinux(`${CUTS} cuts anywhere in the log leave exactly the transactions before them`, () =>
    inFolder(async (folder) => {
      const random = seededRandom(SEED + 1);
      const data = join(folder, 'data');
      const writer = await Writer.start(data, 600);
      const copy = join(folder, 'copy');
      while (writer.durable < 5_000) {
        await new Promise((resolve) => {
          setTimeout(resolve, 10);
        });
      }
      await snapshot(writer, data, copy);
      await writer.stop();
      const log = readFileSync(join(copy, 'hub.db-wal'));
      // Only the empty tables have left the log: it holds everything since the first transaction.
      const ends = commitEnds(log);
      expect(statSync(join(copy, 'hub.db')).size).toBeLessThanOrEqual(131_072);
      const numbers: number[] = [];
      const cuts = Array.from({ length: CUTS }, () => {
        const [a = 0, b = 0] = random(2);
        return Math.floor(((a * 256 + b) / 65_536) * log.length);
      }).toSorted((a, b) => a - b);
      for (const [index, at] of cuts.entries()) {
        const place = join(folder, `cut-${index}`);
        mkdirSync(place);
        copyFileSync(join(copy, 'hub.db'), join(place, 'hub.db'));
        writeFileSync(join(place, 'hub.db-wal'), log.subarray(0, at));
        numbers.push(await lastNumber(place));
        rmSync(place, { recursive: true });
        const again = cuts[index - 1] ?? 0;
        const same = !ends.some((end) => end > again && end <= at);
        if (same && index > 0) expect(numbers[index]).toBe(numbers[index - 1]);
        else expect(numbers[index]).toBeGreaterThanOrEqual(numbers[index - 1] ?? 0);
      }
      expect(numbers.at(-1)).toBeGreaterThan(0);
    }),
  );
});
