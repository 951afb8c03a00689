/**
 * The program of one agent, run in a process of its own: sends to everybody, handles, writes down
 * what it is told, and obeys lines of JSON on its input. Owns no fault but the two that need a
 * place inside: a disk that is full, and a clock that is wrong.
 */
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { SqliteAgentStore } from '@agentmesh/agent/node';
import { ready } from '@agentmesh/crypto';
import { loadOrCreateKeyFile } from '@agentmesh/crypto/node';
import { Agent, AgentMeshError, NetworkHub, StorageError, UnconfirmedError } from 'agentmesh';
import type { Logger } from '@agentmesh/agent';
import type { AgentEvents, AgentStore } from 'agentmesh';
import { STOPPED } from './child.js';
import { entriesOf, note, nowMs } from './ledger.js';

/** How it is started. */
export interface ProgramSetup {
  readonly name: string;
  readonly peers: readonly string[];
  readonly port: number;
  /** Its own files, and where ledgers are. */
  readonly folder: string;
  readonly ledgers: string;
  readonly clockMs: number;
  /** Whether it sends as soon as it is there. */
  readonly flows: boolean;
}

/** What it is told. */
export interface Command {
  readonly flow?: boolean;
  readonly clockMs?: number;
  readonly full?: boolean;
  readonly rotate?: true;
  readonly close?: true;
}

const EVENTS: readonly (keyof AgentEvents)[] = [
  'cloneOrRollback',
  'gap',
  'identityRotated',
  'keysDropped',
  'peerInstanceChanged',
  'refused',
  'storeRollback',
  'undecryptable',
  'undelivered',
];

/** Longest pause between two messages to one peer. */
const PACE_MS = 250;

class Program {
  readonly #setup: ProgramSetup;
  #clockMs: number;
  #isFull = false;
  #flows: boolean;

  constructor(setup: ProgramSetup) {
    this.#setup = setup;
    this.#clockMs = setup.clockMs;
    this.#flows = setup.flows;
  }

  async run(): Promise<void> {
    await ready();
    const agent = await this.#create();
    this.#listen(agent);
    process.stdout.write('ready\n');
    for (const peer of this.#setup.peers) void this.#sendOn(agent, peer);
    for await (const line of createInterface({ input: process.stdin })) {
      await this.#obey(agent, JSON.parse(line) as Command);
    }
  }

  #note(entry: Parameters<typeof note>[2]): void {
    note(this.#setup.ledgers, this.#setup.name, entry);
  }

  async #create(): Promise<Agent> {
    const { name, port, folder } = this.#setup;
    const keypairPath = join(folder, 'key.json');
    const { storeKey } = await loadOrCreateKeyFile(keypairPath, { unprotected: true });
    for (;;) {
      const store = this.#fragile(SqliteAgentStore.beside(keypairPath, { storeKey }));
      const hub = new NetworkHub({ host: '127.0.0.1', port, connectTimeoutMs: 5_000 });
      const runtime = { now: () => nowMs() + this.#clockMs };
      try {
        const logger = this.#logger();
        const files = { keypairPath, store };
        return await Agent.create(name, { hub, ...files, runtime, logger, logLevel: 'debug' });
      } catch (error) {
        this.#note({ what: 'event', name: 'not started', detail: String(error) });
        if (!(error instanceof AgentMeshError) || !error.retryable) throw error;
        await pause(200);
      }
    }
  }

  /** What an agent logs is evidence too. */
  #logger(): Logger {
    const write = (message: string, fields: object): void =>
      this.#note({ what: 'event', name: 'log', detail: `${message} ${JSON.stringify(fields)}` });
    return { debug: write, info: write, warn: write, error: write };
  }

  /** A store on a disk that can be full. */
  #fragile(store: AgentStore): AgentStore {
    return {
      open: () => store.open(),
      get: (key) => store.get(key),
      range: (range) => store.range(range),
      commit: async (operations) => {
        if (this.#isFull) throw new StorageError('STORE_FULL');
        await store.commit(operations);
      },
      close: () => store.close(),
    };
  }

  #listen(agent: Agent): void {
    agent.onMessage(async ({ id, sender, payload, redelivered, late }) => {
      if (Number(payload['n']) % 7 === 0) await pause(20);
      this.#note({ what: 'handled', from: sender, n: Number(payload['n']), id, redelivered, late });
    });
    agent.on('outgoing', ({ id, state }) => {
      const isEnd = state !== 'queued' && state !== 'accepted' && state !== 'delivered';
      if (isEnd) this.#note({ what: 'told', id, state });
    });
    agent.on('identityChanged', ({ peer, shown }) => {
      // Its owner is asked: in this world it is always the right one.
      agent.trust(peer, shown).catch((error: unknown) => {
        this.#note({ what: 'event', name: 'not trusted', detail: String(error) });
      });
    });
    for (const name of EVENTS) {
      agent.on(name, (event) => {
        this.#note({ what: 'event', name, detail: JSON.stringify(event) });
      });
    }
    agent.on('stopped', ({ error }) => this.#end(`stopped ${error.code}`));
    agent.on('connection', ({ state, error }) => {
      if (state === 'ended' && error !== null) this.#end(`ended ${error.code}`);
    });
  }

  /** Its supervisor starts it again. */
  #end(why: string): void {
    this.#note({ what: 'event', name: 'end', detail: why });
    setImmediate(() => process.exit(STOPPED));
  }

  /** One message after the other, so that their numbers are their order. */
  async #sendOn(agent: Agent, to: string): Promise<void> {
    const own = entriesOf(this.#setup.ledgers, this.#setup.name);
    const numbers = own.flatMap((entry) =>
      entry.what === 'began' && entry.to === to ? [entry.n] : [],
    );
    for (let n = Math.max(0, ...numbers) + 1; ; n++) {
      while (!this.#flows) await pause(50);
      this.#note({ what: 'began', to, n });
      try {
        const { id, delivered } = await agent.send(to, { n }, { waitForPeer: 60_000 });
        this.#note({ what: 'accepted', to, n, id });
        delivered.then(
          () => this.#note({ what: 'delivered', id }),
          () => undefined,
        );
      } catch (error) {
        const code = error instanceof AgentMeshError ? error.code : String(error);
        const kept = error instanceof UnconfirmedError && error.kept;
        this.#note({ what: 'rejected', to, n, code, kept });
        if (code === 'CLOSED') return;
      }
      await pause(10 + ((n * 37) % PACE_MS));
    }
  }

  async #obey(agent: Agent, command: Command): Promise<void> {
    const { flow, clockMs, full, rotate, close } = command;
    if (flow !== undefined) this.#flows = flow;
    if (clockMs !== undefined) this.#clockMs = clockMs;
    if (full !== undefined) this.#isFull = full;
    if (rotate === true) {
      agent.rotateIdentity().then(
        () => this.#note({ what: 'event', name: 'rotated', detail: agent.address }),
        (error: unknown) =>
          this.#note({ what: 'event', name: 'not rotated', detail: String(error) }),
      );
    }
    if (close === true) {
      await agent.close();
      process.exit(0);
    }
  }
}

await new Program(JSON.parse(process.argv[2] ?? '') as ProgramSetup).run();
