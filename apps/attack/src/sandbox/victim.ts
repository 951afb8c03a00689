/**
 * The agent that is attacked, seen from outside: its process, what it says of itself, and how large
 * it is. Owns the waiting for its words; nothing secret of it is known here.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CannotTry } from '../attack.js';
import { Child } from './child.js';
import type { Command, VictimSetup, VictimState, Word } from './victim-program.js';

/** The agent of this repository. */
export const OWN_PROGRAM = fileURLToPath(new URL('victim-program.js', import.meta.url));
const PATIENCE_MS = 30_000;

type Said<W extends Word['what']> = Extract<Word, { what: W }>;

/** A running agent. */
export class Victim {
  readonly child: Child;
  readonly name: string;
  readonly words: Word[] = [];
  readonly #answers: unknown[] = [];

  private constructor(program: string, setup: VictimSetup) {
    this.name = setup.name;
    this.child = new Child([program, JSON.stringify(setup)], (line) => {
      const word = JSON.parse(line) as Word;
      if (word.what === 'answer') this.#answers.push(word.value);
      else this.words.push(word);
    });
  }

  /** Starts it; it may not get as far as `ready`. */
  static start(program: string, setup: VictimSetup): Victim {
    mkdirSync(setup.folder, { recursive: true, mode: 0o700 });
    return new Victim(program, setup);
  }

  /** Whether its agent is up; false if it was rejected, with the code in {@link rejection}. */
  async isReady(): Promise<boolean> {
    await this.until(() => this.said('ready').length > 0 || this.child.isOver);
    return this.said('ready').length > 0;
  }

  /** Code with which its agent was rejected. */
  get rejection(): string | null {
    return this.said('rejected')[0]?.code ?? null;
  }

  said<W extends Word['what']>(what: W): Said<W>[] {
    return this.words.filter((word): word is Said<W> => word.what === what);
  }

  /** Details of the events of one name, as JSON. */
  events(name: string): string[] {
    return this.said('event').flatMap((event) => (event.name === name ? [event.detail] : []));
  }

  /** Whether its connection or its process has ended for good. */
  get hasEnded(): boolean {
    const isOver = this.events('connection').some((detail) => detail.includes('"ended"'));
    return isOver || this.child.isOver;
  }

  /** Asks for something; the answer of a refusal is its `{ code }`. */
  async ask(command: Command): Promise<unknown> {
    const count = this.#answers.length;
    this.child.tell(command);
    const came = await this.until(() => this.#answers.length > count || this.child.isOver);
    if (!came || this.child.isOver) throw new CannotTry(`the victim ended: ${this.child.errors}`);
    return this.#answers[count];
  }

  async state(): Promise<VictimState> {
    return (await this.ask({ ask: 'state' })) as VictimState;
  }

  /** Waits for a condition; false if it does not come. */
  async until(condition: () => boolean, patienceMs = PATIENCE_MS): Promise<boolean> {
    const untilMs = performance.now() + patienceMs;
    while (!condition() && performance.now() < untilMs) await pause(10);
    return condition();
  }
}
