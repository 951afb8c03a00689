/**
 * `pnpm import-cost`: the processor time that importing each entry costs, Node's own start left
 * out; the least of several runs. With names, only those entries.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const RUNS = 5;
const PROGRAM = `const before = process.cpuUsage();
  await import(process.argv[1]);
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(String((user + system) / 1000));`;

/** Milliseconds of processor time, of all threads. */
export function importCost(entry, runs = RUNS) {
  const times = Array.from({ length: runs }, () => {
    const args = ['--input-type=module', '-e', PROGRAM, entry];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: here,
      encoding: 'utf8',
    });
    if (status !== 0) throw new TypeError(`${entry} cannot be imported: ${stderr}`);
    return Number(stdout);
  });
  return Math.min(...times);
}

/** Every entry of every published package. */
function entries() {
  const packages = join(here, '..', 'packages');
  return readdirSync(packages).flatMap((folder) => {
    const manifest = JSON.parse(readFileSync(join(packages, folder, 'package.json'), 'utf8'));
    const doors = manifest.private ? [] : Object.keys(manifest.exports);
    return doors
      .filter((door) => door !== './package.json')
      .map((door) => manifest.name + door.slice(1));
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : entries();
  for (const entry of wanted) {
    process.stdout.write(`${String(Math.round(importCost(entry))).padStart(5)} ms  ${entry}\n`);
  }
}
