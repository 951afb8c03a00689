/**
 * An attacker in a process of its own, seen from outside: started, counted, ended. What it does,
 * `assailant-program` knows.
 */
import { fileURLToPath } from 'node:url';
import type { AssailantSetup, AssailantWord } from './assailant-program.js';
import { Child } from './child.js';

const PROGRAM = fileURLToPath(new URL('assailant-program.js', import.meta.url));
const NOTHING: AssailantWord = { sent: 0, answered: 0, most: 0, closes: 0 };

/** A running attacker. */
export class Assailant {
  readonly #child: Child;
  /** What it has counted so far. */
  counted = NOTHING;

  constructor(setup: AssailantSetup) {
    this.#child = new Child([PROGRAM, JSON.stringify(setup)], (line) => {
      this.counted = JSON.parse(line) as AssailantWord;
    });
  }

  end(): Promise<void> {
    return this.#child.kill();
  }
}
