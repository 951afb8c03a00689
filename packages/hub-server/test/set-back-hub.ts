/**
 * A hub that can be stopped, set back to an old copy of its folder, and started at its port again.
 * The copy is made as docs/self-hosting.md says: of the folder, while the hub is stopped.
 */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NetworkHubServer, SqliteHubStore } from '../src/index.js';

export class SetBackHub {
  port = 0;
  readonly #folder: string;
  #server: NetworkHubServer | null = null;
  #store: SqliteHubStore | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<void> {
    this.#store = await SqliteHubStore.open({ folder: join(this.#folder, 'now') });
    this.#server = new NetworkHubServer({
      store: this.#store,
      port: this.port,
      unboundedRates: true,
    });
    await this.#server.start();
    this.port = this.#server.port;
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    await this.#store?.close();
  }

  async keepCopy(): Promise<void> {
    await this.stop();
    await cp(join(this.#folder, 'now'), join(this.#folder, 'copy'), { recursive: true });
    await this.start();
  }

  async setBack(): Promise<void> {
    await this.stop();
    await rm(join(this.#folder, 'now'), { recursive: true });
    await cp(join(this.#folder, 'copy'), join(this.#folder, 'now'), { recursive: true });
    await this.start();
  }
}
