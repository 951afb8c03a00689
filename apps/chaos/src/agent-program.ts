/**
 * The program of one agent, run in a process of its own: sends to everybody, handles, writes down
 * what it is told, and obeys lines of JSON on its input. Owns no fault but the one that needs a
 * place inside: a store that is full.
 */
import { readFileSync, writeFileSync } from 'node:fs';
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
import { exactMs, Ledger, log, note } from './ledger.js';

/** How it is started. */
export interface ProgramSetup {
  readonly name: string;
  readonly peers: readonly string[];
  /** For earlier builds, which know one hub, and set their own clocks. */
  readonly port: number;
  readonly clockMs: 0;
  readonly ports: readonly number[];
  /** Its own files, where ledgers are, and the name of its own. */
  readonly folder: string;
  readonly ledgers: string;
  readonly ledger: string;
  /** Whether it sends as soon as it is there. */
  readonly flows: boolean;
}

/** What it is told. */
export interface Command {
  readonly flow?: boolean;
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
/** Longer than a process takes to end. */
const PATIENCE_MS = 60_000;
/** How often an owner is called about one change. */
const PATIENCE = 20;

class Program {
  readonly #setup: ProgramSetup;
  #isFull = false;
  #flows: boolean;

  constructor(setup: ProgramSetup) {
    this.#setup = setup;
    this.#flows = setup.flows;
  }

  async run(): Promise<void> {
    await ready();
    const agent = await this.#create();
    this.#listen(agent);
    this.#showWhoIAm(agent);
    process.stdout.write('ready\n');
    for (const peer of this.#setup.peers) void this.#sendOn(agent, peer);
    for await (const line of createInterface({ input: process.stdin })) {
      await this.#obey(agent, JSON.parse(line) as Command);
    }
  }

  #note(entry: Parameters<typeof note>[2]): void {
    note(this.#setup.ledgers, this.#setup.ledger, entry);
  }

  async #create(): Promise<Agent> {
    const { name, ports, folder } = this.#setup;
    const keypairPath = join(folder, 'key.json');
    const { storeKey } = await loadOrCreateKeyFile(keypairPath, { unprotected: true });
    for (;;) {
      const store = this.#fragile(SqliteAgentStore.beside(keypairPath, { storeKey }));
      const hosts = ports.map((port) => `127.0.0.1:${port}`);
      const hub = new NetworkHub({ hosts, connectTimeoutMs: 5_000 });
      try {
        const logger = this.#logger();
        const files = { keypairPath, store };
        return await Agent.create(name, { hub, ...files, logger, logLevel: 'debug' });
      } catch (error) {
        this.#note({ what: 'event', name: 'start failed', detail: String(error) });
        if (!(error instanceof AgentMeshError)) throw error;
        if (!error.retryable) await this.#giveUpStarting(error);
        await pause(200);
      }
    }
  }

  /**
   * A full disk is its owner's matter, and so is a twin: it is started again, as its error says.
   */
  async #giveUpStarting(error: AgentMeshError): Promise<void> {
    if (error.code !== 'STORE_FULL' && error.code !== 'DISPLACED') throw error;
    if (error.code === 'STORE_FULL') this.#note({ what: 'not started', code: error.code });
    this.#end(`not started ${error.code}`);
    await pause(PATIENCE_MS);
  }

  /** What an agent logs is evidence too. */
  #logger(): Logger {
    const { ledgers, ledger } = this.#setup;
    const write = (message: string, fields: object): void =>
      log(ledgers, ledger, `${message} ${JSON.stringify(fields)}`);
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
      const beganMs = exactMs();
      const n = Number(payload['n']);
      if (n % 7 === 0) await pause(20);
      this.#note({ what: 'handled', from: sender, n, id, redelivered, late, beganMs });
    });
    agent.on('outgoing', ({ id, state }) => {
      const isEnd = state !== 'queued' && state !== 'accepted' && state !== 'delivered';
      if (isEnd) this.#note({ what: 'told', id, state });
    });
    agent.on('identityChanged', ({ peer }) => void this.#askOwner(agent, peer));
    for (const name of EVENTS) {
      agent.on(name, (event) => {
        this.#note({ what: 'event', name, detail: JSON.stringify(event) });
      });
    }
    agent.on('stopped', ({ error }) => this.#end(`stopped ${error.code}`));
    agent.on('connection', ({ state, error }) => {
      // A change of identity may have been made that was not answered.
      if (state === 'online') this.#showWhoIAm(agent);
      if (state === 'ended' && error !== null) this.#end(`ended ${error.code}`);
    });
  }

  /** For owners of other agents, who call ours. */
  #showWhoIAm({ fingerprint }: Agent): void {
    writeFileSync(this.#cardOf(this.#setup.name), fingerprint);
  }

  #cardOf(name: string): string {
    return join(this.#setup.ledgers, `${name}.fingerprint`);
  }

  /** The owner of the peer reads out its fingerprint, whatever the hub shows. */
  async #askOwner(agent: Agent, peer: string): Promise<void> {
    for (let attempt = 0; attempt < PATIENCE; attempt++) {
      await pause(500);
      try {
        return await agent.trust(peer, readFileSync(this.#cardOf(peer), 'utf8'));
      } catch (error) {
        // It may change its identity at this moment, or the hub be away.
        this.#note({ what: 'event', name: 'not trusted', detail: String(error) });
      }
    }
  }

  /** Its supervisor starts it again. */
  #end(why: string): void {
    this.#note({ what: 'event', name: 'end', detail: why });
    setImmediate(() => process.exit(STOPPED));
  }

  /** One message after the other, so that their numbers are their order. */
  async #sendOn(agent: Agent, to: string): Promise<void> {
    const own = new Ledger(this.#setup.ledgers, this.#setup.ledger).entries();
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

  async #rotate(agent: Agent): Promise<void> {
    try {
      await agent.rotateIdentity();
      this.#showWhoIAm(agent);
      this.#note({ what: 'event', name: 'rotated', detail: agent.address });
    } catch (error) {
      this.#note({ what: 'event', name: 'not rotated', detail: String(error) });
    }
  }

  async #obey(agent: Agent, command: Command): Promise<void> {
    const { flow, full, rotate, close } = command;
    if (flow !== undefined) this.#flows = flow;
    if (full !== undefined) this.#isFull = full;
    if (rotate === true) void this.#rotate(agent);
    if (close === true) {
      await agent.close();
      process.exit(0);
    }
  }
}

await new Program(JSON.parse(process.argv[2] ?? '') as ProgramSetup).run();
