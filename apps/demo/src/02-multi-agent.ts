/**
 * Example 2: a coordinator shares work among four workers and collects what they find. The work is
 * real: counting the primes below 100,000, a quarter of the numbers each.
 */
import { Agent, LocalHub } from 'agentmesh';
import { countdown } from './example.js';
import type { Show } from './show.js';
import type { Row } from './table.js';

const WORKERS = ['worker-1', 'worker-2', 'worker-3', 'worker-4'] as const;
const LIMIT = 100_000;

/** The sum of what the workers found, and what was seen of each message. */
export interface Collected {
  readonly primes: number;
  readonly byWorker: ReadonlyMap<string, number>;
  readonly rows: readonly Row[];
}

export async function multiAgent(show: Show): Promise<Collected> {
  const hub = new LocalHub({ onTraffic: show.hubSaw });
  await using coordinator = await Agent.create('coordinator', { hub });
  const byWorker = new Map<string, number>();
  const collected = countdown(WORKERS.length);
  coordinator.onMessage((message) => {
    const { found } = message.payload;
    if (typeof found !== 'number') return;
    show.agentSaw(message, `found ${found}`);
    byWorker.set(message.sender, found);
    collected.step();
  });

  const workers = await Promise.all(WORKERS.map((name) => startWorker(name, hub, show)));
  const share = LIMIT / WORKERS.length;
  await Promise.all(
    WORKERS.map((name, index) =>
      coordinator.send(name, {
        task: 'count primes',
        from: index * share,
        to: (index + 1) * share,
      }),
    ),
  );
  await collected.done;

  const primes = [...byWorker.values()].reduce((sum, found) => sum + found, 0);
  const rows = show.compare();
  show.proved(`${primes.toLocaleString('en')} primes below ${LIMIT.toLocaleString('en')}`);
  await Promise.all(workers.map((worker) => worker.close()));
  return { primes, byWorker, rows };
}

/** A worker answers each task with the number of primes in its range. */
async function startWorker(name: string, hub: LocalHub, show: Show): Promise<Agent> {
  const worker = await Agent.create(name, { hub });
  worker.onMessage(async (message) => {
    const { from, to } = message.payload;
    if (typeof from !== 'number' || typeof to !== 'number') return;
    show.agentSaw(message, `count primes from ${from} to ${to - 1}`);
    await message.reply({ found: countPrimes(from, to) });
  });
  return worker;
}

/** Primes p with `from` ≤ p < `to`. */
export function countPrimes(from: number, to: number): number {
  let count = 0;
  for (let number = Math.max(2, from); number < to; number++) if (isPrime(number)) count += 1;
  return count;
}

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) {
    if (number % divisor === 0) return false;
  }
  return true;
}
