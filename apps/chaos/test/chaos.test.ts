/** A short round of the command: real processes, everything goes wrong, and all must hold. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { FAULT_NAMES, faultsWith } from '../src/fault-names.js';
import { optionsOf } from '../src/options.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const SEED = process.env['FC_SEED'] ?? String(Date.now() % 2 ** 31);
/** 1h in a nightly run. */
const DURATION = process.env['AGENTMESH_CHAOS'] ?? '10s';
const LIMIT_MS = 8_000_000;

test(
  `all is as it must be after ${DURATION} of chaos (AGENTMESH_CHAOS; seed ${SEED})`,
  async () => {
    // A test mounts nothing: what it leaves behind when it is killed is no mount.
    const args = [MAIN, '--duration', DURATION, '--seed', SEED, '--no-mounts'];
    const run = promisify(execFile)(process.execPath, args, { timeout: LIMIT_MS });
    const said = await run.then(
      ({ stdout }) => stdout,
      (error: { stdout?: string; stderr?: string }) => `${error.stdout ?? ''}${error.stderr ?? ''}`,
    );
    expect(said).toMatch(/all held\n$/u);
  },
  LIMIT_MS,
);

describe('options', () => {
  test('have defaults, and units of time', () => {
    expect(optionsOf([], 7)).toMatchObject({ durationMs: 60_000, seed: 7, agents: 4 });
    expect(optionsOf(['--duration', '1h', '--faults', 'kill,cut'], 7)).toMatchObject({
      durationMs: 3_600_000,
      faults: ['kill', 'cut'],
    });
  });

  test.each([
    [['--duration', '5'], '--duration: such as 90s, 10m or 1h, not 5'],
    [['--agents', '2'], '--agents: 3 or more'],
    [['--faults', 'kill,fire'], '--faults: there is no fire'],
    [['--store', 'nuts'], '--store: sqlite or nats, not nuts'],
    [['--hubs', '3'], '--hubs and --nodes: with --store nats'],
    [['--former', '/nowhere'], '--former: a checkout with apps/chaos that is built, not /nowhere'],
    [['--seed', 'x'], '--seed: a whole number, not x'],
  ])('that are wrong are refused with a sentence: %s', (args, text) => {
    expect(optionsOf(args, 7)).toBe(text);
  });

  test('say what a run has, and so what can go wrong in it', () => {
    expect(optionsOf(['--store', 'nats'], 7)).toMatchObject({ hubs: 2, nodes: 3 });
    expect(optionsOf([], 7)).toMatchObject({ hubs: 1, nodes: 0 });
    const names = FAULT_NAMES;
    const files = { hasFiles: true, hasSmallDisk: false, hasFormer: false };
    expect(faultsWith(files, names)).toContain('restoreHub');
    for (const name of ['fullHub', 'upgrade', 'killNode']) {
      expect(faultsWith(files, names)).not.toContain(name);
    }
    const nodes = { hasFiles: false, hasSmallDisk: true, hasFormer: true };
    expect(faultsWith(nodes, names)).toEqual(expect.arrayContaining(['killNode', 'upgradeHub']));
    expect(faultsWith(nodes, names)).not.toContain('restoreHub');
  });

  test('ask for help', () => {
    expect(optionsOf(['--help'], 7)).toBeNull();
  });
});
