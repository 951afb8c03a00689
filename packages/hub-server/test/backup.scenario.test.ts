/**
 * What docs/self-hosting.md promises of backups: a hub that is restored from one has lost what came
 * since, and yet every message that it had accepted arrives, once, whoever went on running
 * meanwhile. Real agents with their stores on the disk, a real hub.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Agent } from '@agentmesh/agent';
import { ready } from '@agentmesh/crypto';
import { NetworkHub } from '@agentmesh/hub-client';
import { FaultProxy } from './fault-proxy.js';
import { SetBackHub } from './set-back-hub.js';
import { until } from './test-clients.js';

beforeAll(() => ready());

/** `pnpm backups` takes 100, 1,500, 2,300 and 10,000. */
const LOST = (process.env['AGENTMESH_BACKUP_LOST'] ?? '100').split(',').map(Number);
const WAIT_MS = 300_000;
/** Well before the five minutes after which a sender asks of itself. */
const SOON_MS = 120_000;
const EACH_MS = 100;
jest.setTimeout(2 * (WAIT_MS + Math.max(...LOST) * EACH_MS));

/** More would not fit into one queue: one sender fills a quarter of it. */
const OF_ONE = 2_300;

/** A hub with alice, who sends, and behind a proxy recipients, whose handlers collect numbers. */
class Scene {
  readonly hub: SetBackHub;
  readonly handled: number[] = [];
  readonly events: string[] = [];
  readonly #folder: string;
  readonly #names: readonly string[];
  #proxy: FaultProxy | null = null;
  #alice: Agent | null = null;
  #recipients: readonly Agent[] = [];

  private constructor(folder: string, names: readonly string[]) {
    this.#folder = folder;
    this.#names = names;
    this.hub = new SetBackHub(folder);
  }

  /** With as many recipients as so many messages need. */
  static async create(messages: number): Promise<Scene> {
    const folder = await mkdtemp(join(tmpdir(), 'agentmesh-backup-'));
    const count = Math.ceil(messages / OF_ONE);
    const scene = new Scene(
      folder,
      Array.from({ length: count }, (_, at) => `bob-${at}`),
    );
    await scene.hub.start();
    scene.#proxy = await FaultProxy.start(scene.hub.port, 1);
    await scene.startAlice();
    await scene.startRecipients();
    return scene;
  }

  get recipients(): number {
    return this.#names.length;
  }

  /** To one recipient after the other. */
  send(n: number): Promise<unknown> {
    if (this.#alice === null) throw new TypeError('alice is not there');
    return this.#alice.send(`bob-${n % this.recipients}`, { n });
  }

  /** All know each other: alice is no stranger, with its whole share of each queue. */
  async meet(): Promise<void> {
    await Promise.all(this.#names.map((_, n) => this.send(n)));
    await until(() => this.handled.length === this.recipients, WAIT_MS);
    await Promise.all(this.#recipients.map((bob) => bob.send('alice', 'hello')));
  }

  async startAlice(): Promise<void> {
    await this.#alice?.close();
    this.#alice = await this.#start('alice', this.hub.port);
  }

  async startRecipients(): Promise<void> {
    const port = this.#proxy?.port ?? 0;
    this.#recipients = await Promise.all(this.#names.map((name) => this.#start(name, port)));
    for (const bob of this.#recipients) {
      bob.onMessage(({ payload }) => void this.handled.push((payload as { n: number }).n));
    }
  }

  /** The recipients run on without a way to the hub, or end. */
  async cutOff(ends: boolean): Promise<void> {
    if (ends) {
      await Promise.all(this.#recipients.map((bob) => bob.close()));
      this.#recipients = [];
    } else if (this.#proxy !== null) {
      this.#proxy.faults = { cut: 1 };
      this.#proxy.cutAll();
    }
  }

  async bringBack(): Promise<void> {
    if (this.#proxy !== null) this.#proxy.faults = {};
    if (this.#recipients.length === 0) await this.startRecipients();
  }

  async end(): Promise<void> {
    await this.#alice?.close();
    await Promise.all(this.#recipients.map((bob) => bob.close()));
    await this.#proxy?.stop();
    await this.hub.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(name: string, port: number): Promise<Agent> {
    const agent = await Agent.create(name, {
      hub: new NetworkHub({ host: '127.0.0.1', port }),
      keypairPath: join(this.#folder, `${name}.json`),
      logLevel: 'silent',
    });
    for (const event of ['storeRollback', 'undelivered'] as const) {
      agent.on(event, () => void this.events.push(`${name} ${event}`));
    }
    return agent;
  }
}

/** Runs a test with a scene, and takes the scene down. */
async function withScene(messages: number, run: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = await Scene.create(messages);
  try {
    await run(scene);
  } finally {
    await scene.end();
  }
}

describe.each(LOST)('a hub restored from its backup has lost %i messages', (lost) => {
  test.each([
    ['both sides ran on', false, false],
    ['the sender was started again', true, false],
    ['the recipients were started again', false, true],
    ['both were started again', true, true],
  ])('%s: all arrive, each once', (_title, senderRestarts, recipientsRestart) =>
    withScene(lost, async (scene) => {
      await scene.meet();
      await scene.hub.keepCopy();
      await scene.cutOff(recipientsRestart);
      // The hub sees another opening of this store, and forgets it with the rest.
      if (senderRestarts) await scene.startAlice();
      const met = scene.recipients;
      await Promise.all(Array.from({ length: lost }, (_, n) => scene.send(met + n)));
      await scene.hub.setBack();
      if (senderRestarts) await scene.startAlice();
      await scene.bringBack();
      await Promise.all(Array.from({ length: met }, (_, n) => scene.send(met + lost + n)));
      const all = Array.from({ length: met + lost + met }, (_, n) => n);
      await until(() => scene.handled.length >= all.length, WAIT_MS + lost * EACH_MS);
      expect(scene.handled.toSorted((a, b) => a - b)).toEqual(all);
      expect(scene.events).toEqual([]);
    }),
  );

  test('both sides ran on and nobody says anything more: all arrive', () =>
    withScene(lost, async (scene) => {
      await scene.meet();
      await scene.hub.keepCopy();
      await scene.cutOff(false);
      const met = scene.recipients;
      await Promise.all(Array.from({ length: lost }, (_, n) => scene.send(met + n)));
      await scene.hub.setBack();
      await scene.bringBack();
      const all = Array.from({ length: met + lost }, (_, n) => n);
      await until(() => scene.handled.length >= all.length, SOON_MS + lost * EACH_MS);
      expect(scene.handled.toSorted((a, b) => a - b)).toEqual(all);
      expect(scene.events).toEqual([]);
    }));
});
