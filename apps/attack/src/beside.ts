/**
 * An attack beside honest agents: what they exchanged without it and during it, in turn, so that a
 * busy machine is busy in both. Owns the figures that are told; whether a ratio is judged, the
 * command line says.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { CannotTry } from './attack.js';
import type { Delays, HonestCrowd } from './honest-crowd.js';
import type { AssailantSetup, AssailantWord } from './sandbox/assailant-program.js';
import { Assailant } from './sandbox/assailant.js';

const ROUNDS = 3;
const ROUND_MS = 2_000;
/** From the first that an attacker was counted doing, until it is in full swing. */
const ONSET_MS = 500;
const PATIENCE_MS = 60_000;

/** What was seen of both. */
export interface Beside {
  /** Whether everything honest arrived. */
  readonly isWhole: boolean;
  readonly attacker: AssailantWord;
  readonly figures: Readonly<Record<string, number>>;
}

/** Lets attackers of one kind work beside a crowd. */
export async function besideCrowd(crowd: HonestCrowd, setup: AssailantSetup): Promise<Beside> {
  // The first exchange of all is slow: nothing is warm.
  await crowd.exchange(ROUND_MS / 2);
  const [quiet, attacked]: [Delays[], Delays[]] = [[], []];
  let attacker: AssailantWord = { sent: 0, answered: 0, most: 0, closes: 0 };
  const during = { ms: 0, sent: 0, answered: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    quiet.push(await crowd.exchange(ROUND_MS));
    const assailant = new Assailant(setup);
    try {
      const untilMs = performance.now() + PATIENCE_MS;
      while (assailant.counted.sent === 0 && performance.now() < untilMs) await pause(10);
      if (assailant.counted.sent === 0) throw new CannotTry('the attackers did not start');
      await pause(ONSET_MS);
      const [before, beganMs] = [assailant.counted, performance.now()];
      attacked.push(await crowd.exchange(ROUND_MS));
      during.ms += performance.now() - beganMs;
      during.sent += assailant.counted.sent - before.sent;
      during.answered += assailant.counted.answered - before.answered;
    } finally {
      await assailant.end();
    }
    attacker = together(attacker, assailant.counted);
  }
  const { isWhole, figures } = figuresOf(quiet, attacked);
  const eachSecond = (count: number): number => Math.round((1_000 * count) / during.ms);
  // A ratio says something only of an attack that was in full swing.
  const rates = {
    'attacker sent each second': eachSecond(during.sent),
    'attacker answered each second': eachSecond(during.answered),
  };
  return { isWhole, figures: { ...rates, ...figures }, attacker };
}

function figuresOf(quiet: readonly Delays[], attacked: readonly Delays[]) {
  const [before, during] = [quiet, attacked].map(allOf) as [number[], number[]];
  const sent = attacked.reduce((sum, one) => sum + one.sent, 0);
  const figures = {
    'honest sent': sent,
    'honest delivered': during.length,
    'quiet median ms': rounded(at(before, 0.5)),
    'quiet p99 ms': rounded(at(before, 0.99)),
    'attacked median ms': rounded(at(during, 0.5)),
    'attacked p99 ms': rounded(at(during, 0.99)),
    'attacked ÷ quiet': rounded(at(during, 0.5) / at(before, 0.5)),
    'attacked ÷ quiet p99': rounded(at(during, 0.99) / at(before, 0.99)),
  };
  return { isWhole: sent > 0 && during.length === sent, figures };
}

function allOf(delays: readonly Delays[]): number[] {
  return delays.flatMap(({ ms }) => ms).toSorted((a, b) => a - b);
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Infinity;
}

function together(a: AssailantWord, b: AssailantWord): AssailantWord {
  return {
    sent: a.sent + b.sent,
    answered: a.answered + b.answered,
    most: Math.max(a.most, b.most),
    closes: a.closes + b.closes,
  };
}

const rounded = (ms: number): number => Math.round(10 * ms) / 10;
