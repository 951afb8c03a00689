/**
 * Where one attack takes place: the hub, hostile agents at it, an honest pair, and a victim in a
 * sandbox. Owns everything that was started for this attack, and that all of it ends.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom, toHex } from '@agentmesh/protocol';
import { HonestCrowd } from './honest-crowd.js';
import { HonestPair } from './honest-pair.js';
import { FalseHub } from './sandbox/false-hub.js';
import type { Deviations } from './sandbox/false-hub.js';
import { OwnHub } from './sandbox/own-hub.js';
import { OWN_PROGRAM, Victim } from './sandbox/victim.js';
import type { VictimSetup } from './sandbox/victim-program.js';
import type { Target } from './target.js';
import { Intruder } from './wire/intruder.js';
import { dial, Wire } from './wire/wire.js';
import type { Socket } from 'node:net';

/** What is attacked. */
export interface Victims {
  /** Null for a hub of the scene's own. */
  readonly hub: Target | null;
  /** The program of the agent; null for the agent of this repository. */
  readonly agentProgram: string | null;
}

/** One attack's scene. */
export class Scene implements AsyncDisposable {
  readonly #given: Victims;
  readonly #ends: (() => unknown)[] = [];
  #folder: string | null = null;
  #hub: Promise<OwnHub> | null = null;
  #count = 0;

  constructor(given: Victims) {
    this.#given = given;
  }

  /** The hub: the given one, or one that is started for this attack. */
  async hub(): Promise<Target> {
    if (this.#given.hub !== null) return this.#given.hub;
    this.#hub ??= this.ownHub();
    return (await this.#hub).target;
  }

  /** A hub of this scene, whatever hub was given. */
  async ownHub(flags: readonly string[] = [], secure = true): Promise<OwnHub> {
    const hub = await OwnHub.start(this.folder(), flags, secure);
    this.#ends.push(() => hub.stop());
    return hub;
  }

  /** A new folder that goes away with the scene. */
  folder(): string {
    if (this.#folder === null) {
      const made = mkdtempSync(join(tmpdir(), 'agentmesh-attack-'));
      this.#folder = made;
      this.#ends.unshift(() => rmSync(made, { recursive: true, force: true }));
    }
    this.#count += 1;
    return join(this.#folder, String(this.#count));
  }

  /** A name that nobody has; they stay registered at the hub. */
  name(): string {
    return `attack-${toHex(systemRandom(6))}`;
  }

  async wire(target?: Target): Promise<Wire> {
    const wire = await Wire.open(target ?? (await this.hub()));
    this.#ends.push(() => wire.end());
    return wire;
  }

  async socket(target?: Target): Promise<Socket> {
    const socket = await dial(target ?? (await this.hub()));
    this.#ends.push(() => socket.destroy());
    return socket;
  }

  async intruder(options: { target?: Target; name?: string } = {}): Promise<Intruder> {
    const { target = await this.hub(), name = this.name() } = options;
    const intruder = await Intruder.at(target, name);
    this.#ends.push(() => intruder.end());
    return intruder;
  }

  async honest(target?: Target): Promise<HonestPair> {
    const names = [this.name(), this.name()] as const;
    const pair = await HonestPair.at(target ?? (await this.hub()), names);
    this.#ends.push(() => pair.close());
    return pair;
  }

  /** Pairs of honest agents, as the hub sees them. */
  async crowd(pairs: number, target?: Target): Promise<HonestCrowd> {
    const crowd = await HonestCrowd.at(target ?? (await this.hub()), pairs, () => this.name());
    this.#ends.push(() => crowd.end());
    return crowd;
  }

  async falseHub(deviations: Deviations = {}): Promise<FalseHub> {
    const hub = await FalseHub.start(deviations);
    this.#ends.push(() => hub.stop());
    return hub;
  }

  /** Starts the agent that is attacked. */
  victim(setup: Partial<VictimSetup> & Pick<VictimSetup, 'target'>): Victim {
    const victim = Victim.start(this.#given.agentProgram ?? OWN_PROGRAM, {
      name: this.name(),
      folder: this.folder(),
      options: {},
      connectTimeoutMs: 10_000,
      handler: 'count',
      ...setup,
    });
    this.#ends.push(() => victim.child.kill());
    return victim;
  }

  /** Something else that has to end with the scene. */
  endsWith(end: () => unknown): void {
    this.#ends.push(end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends.splice(0).toReversed()) await end();
  }
}
