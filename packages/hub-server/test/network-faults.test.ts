import { afterEach, describe, expect, test } from '@jest/globals';
import { NetworkHub } from '@agentmesh/hub-client';
import type { ClientHost } from '@agentmesh/hub-client';
import { seededRandom, TestAgent } from '@agentmesh/hub-compliance';
import { MemoryHubStore } from '@agentmesh/hub-local';
import { ready, toHex } from '@agentmesh/protocol';
import type { Delivery, HubConnection, HubEvents } from '@agentmesh/protocol';
import { NetworkHubServer } from '../src/index.js';
import { FaultProxy } from './fault-proxy.js';
import type { Faults } from './fault-proxy.js';

const SEED = Number(process.env['FC_SEED'] ?? Date.now() % 1_000_000);
const AGENTS = 4;
const MESSAGES_EACH = Number(process.env['AGENTMESH_FAULT_MESSAGES'] ?? 60);

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).toReversed()) await end();
});

/** A receiver that acknowledges, and remembers every delivery by envelope id. */
class Receiver implements HubEvents {
  readonly seqs = new Map<string, Set<number>>();
  line: HubConnection | null = null;

  deliver({ seq, envelope }: Delivery): void {
    const id = toHex(envelope.id);
    const seqs = this.seqs.get(id) ?? new Set();
    this.seqs.set(id, seqs.add(seq));
    this.line?.ack([seq]);
    this.line?.credit({ messages: 1, bytes: envelope.blob.length });
  }

  authenticated(): void {}
  notice(): void {}
  down(): void {}
  closed(): void {}
}

async function world(faults: Faults, tls: boolean) {
  await ready();
  const server = new NetworkHubServer({ store: new MemoryHubStore(), port: 0 });
  await server.start();
  endings.push(() => server.stop());
  const proxy = await FaultProxy.start(server.port, SEED);
  endings.push(() => proxy.stop());
  const isSilent = faults.halfOpen !== undefined;
  const options = { tls, hubKey: server.hubKey, requestTimeoutMs: 60_000 };
  const connectTimeoutMs = isSilent ? 1_000 : 20_000;
  const hub = new NetworkHub(
    { host: '127.0.0.1', port: proxy.port, connectTimeoutMs, ...options },
    isSilent ? hurried() : {},
  );
  endings.push(() => hub.close());
  const random = seededRandom(SEED);
  const agents = await Promise.all(
    Array.from({ length: AGENTS }, async (_, n) => {
      const agent = new TestAgent(`agent-${n}`, random);
      const receiver = new Receiver();
      receiver.line = await hub.connect(agent.credentials(), receiver);
      return { agent, receiver, line: receiver.line };
    }),
  );
  proxy.faults = faults;
  return { server, proxy, agents, random };
}

/** A client for which 75 s of silence are less than one: its clock runs, its waits are short. */
function hurried(): Partial<ClientHost> {
  const started = Date.now();
  return {
    clock: () => started + (Date.now() - started) * 150,
    after(delayMs, task) {
      const timer = setTimeout(task, delayMs < 10_000 ? Math.min(delayMs, 20) : 1_000);
      return () => clearTimeout(timer);
    },
  };
}

/** Everybody sends to his neighbour, a few at a time; an answer says that the hub has it. */
async function traffic({ agents, random }: Awaited<ReturnType<typeof world>>) {
  const sent = agents.map((): string[] => []);
  const sendOne = async (n: number): Promise<void> => {
    const to = agents[(n + 1) % agents.length]!;
    const id = random(16);
    const envelope = { id, to: to.agent.aid, ttlSeconds: 3_600, blob: random(300) };
    await retrying(() => agents[n]!.line.send(envelope));
    sent[(n + 1) % agents.length]!.push(toHex(id));
  };
  for (let round = 0; round < MESSAGES_EACH; round += 5) {
    const batch = agents.flatMap((_, n) => Array.from({ length: 5 }, () => sendOne(n)));
    await Promise.all(batch);
  }
  return sent;
}

/** What the agent's outbox does: the same bytes again while a retry can help. */
async function retrying<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if ((error as { retryable?: boolean }).retryable !== true) throw error;
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
    }
  }
}

async function expectAllOnce(
  { server, agents }: Awaited<ReturnType<typeof world>>,
  sent: readonly string[][],
): Promise<void> {
  const missing = () =>
    sent.flatMap((ids, n) => ids.filter((id) => !agents[n]!.receiver.seqs.has(id)));
  for (let wait = 0; wait < 2_000 && missing().length > 0; wait++) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
  expect(missing()).toEqual([]);
  expect(server.routed).toBe(AGENTS * MESSAGES_EACH);
  for (const [n, { receiver }] of agents.entries()) {
    expect([...receiver.seqs.keys()].toSorted()).toEqual(sent[n]!.toSorted());
    expect([...receiver.seqs.values()].filter((seqs) => seqs.size > 1)).toEqual([]);
  }
}

describe(`a hub behind a bad network loses nothing and doubles nothing (seed ${SEED})`, () => {
  const cases: readonly (readonly [string, Faults, boolean])[] = [
    ['latency over TLS', { latencyMs: 20 }, true],
    ['one-byte writes over TLS', { sliceBytes: 1 }, true],
    ['cut connections over TLS', { cut: 0.08 }, true],
    ['half-open connections over TLS', { halfOpen: 0.06 }, true],
    ['corruption over TLS', { corrupt: 0.08 }, true],
    ['cut connections over plaintext', { cut: 0.08 }, false],
    ['frames doubled and swapped over plaintext', { duplicate: 0.3, reorder: 0.3 }, false],
    [
      'everything at once over TLS',
      { latencyMs: 2, sliceBytes: 700, cut: 0.05, corrupt: 0.05 },
      true,
    ],
  ];

  test.each(cases)(
    '%s',
    async (_name, faults, tls) => {
      const here = await world(faults, tls);
      const sent = await traffic(here);
      here.proxy.faults = {};
      here.proxy.cutAll();
      await expectAllOnce(here, sent);
      for (const fault of ['cut', 'corrupt', 'duplicate', 'halfOpen'] as const) {
        if (faults[fault] !== undefined) expect(here.proxy.happened.get(fault)).toBeGreaterThan(0);
      }
    },
    120_000,
  );
});
