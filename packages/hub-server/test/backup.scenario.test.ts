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

jest.setTimeout(600_000);
beforeAll(() => ready());

/** `AGENTMESH_BACKUP_LOST=100,1500,2300,10000` in a nightly run. */
const LOST = (process.env['AGENTMESH_BACKUP_LOST'] ?? '100').split(',').map(Number);
const WAIT_MS = 300_000;

/** A hub with alice, who sends, and bob, behind a proxy, whose handler collects numbers. */
class Scene {
  readonly hub: SetBackHub;
  readonly handled: number[] = [];
  readonly events: string[] = [];
  readonly #folder: string;
  #proxy: FaultProxy | null = null;
  #alice: Agent | null = null;
  #bob: Agent | null = null;

  private constructor(folder: string) {
    this.#folder = folder;
    this.hub = new SetBackHub(folder);
  }

  static async create(): Promise<Scene> {
    const scene = new Scene(await mkdtemp(join(tmpdir(), 'agentmesh-backup-')));
    await scene.hub.start();
    scene.#proxy = await FaultProxy.start(scene.hub.port, 1);
    await scene.startAlice();
    await scene.startBob();
    return scene;
  }

  send(n: number): Promise<unknown> {
    if (this.#alice === null) throw new TypeError('alice is not there');
    return this.#alice.send('bob', { n });
  }

  /** Alice is no stranger to bob from then on, with its whole share of the queue. */
  async answer(): Promise<void> {
    await this.#bob?.send('alice', 'hello');
  }

  async startAlice(): Promise<void> {
    await this.#alice?.close();
    this.#alice = await this.#start('alice', this.hub.port);
  }

  async startBob(): Promise<void> {
    this.#bob = await this.#start('bob', this.#proxy?.port ?? 0);
    this.#bob.onMessage(({ payload }) => void this.handled.push((payload as { n: number }).n));
  }

  /** Bob runs on without a way to the hub, or ends. */
  async cutBobOff(ends: boolean): Promise<void> {
    if (ends) {
      await this.#bob?.close();
      this.#bob = null;
    } else if (this.#proxy !== null) {
      this.#proxy.faults = { cut: 1 };
      this.#proxy.cutAll();
    }
  }

  async bringBobBack(): Promise<void> {
    if (this.#proxy !== null) this.#proxy.faults = {};
    if (this.#bob === null) await this.startBob();
  }

  async end(): Promise<void> {
    await this.#alice?.close();
    await this.#bob?.close();
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

describe.each(LOST)('a hub restored from its backup has lost %i messages', (lost) => {
  test.each([
    ['both agents ran on', false, false],
    ['the sender was started again', true, false],
    ['the recipient was started again', false, true],
    ['both were started again', true, true],
  ])('%s: all arrive, each once', async (_title, senderRestarts, recipientRestarts) => {
    const scene = await Scene.create();
    try {
      await scene.send(0);
      await until(() => scene.handled.length === 1, WAIT_MS);
      await scene.answer();
      await scene.hub.keepCopy();
      await scene.cutBobOff(recipientRestarts);
      // The hub sees another opening of this store, and forgets it with the rest.
      if (senderRestarts) await scene.startAlice();
      await Promise.all(Array.from({ length: lost }, (_, n) => scene.send(n + 1)));
      await scene.hub.setBack();
      if (senderRestarts) await scene.startAlice();
      await scene.bringBobBack();
      await scene.send(lost + 1);
      await until(() => scene.handled.length >= lost + 2, WAIT_MS);
      const all = Array.from({ length: lost + 2 }, (_, n) => n);
      expect(scene.handled.toSorted((a, b) => a - b)).toEqual(all);
      expect(scene.events).toEqual([]);
    } finally {
      await scene.end();
    }
  });
});
