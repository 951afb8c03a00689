/**
 * A request and its answer, as its caller waits for it: between two agents, over NATS core, and
 * over JetStream with a stored request and a stored reply. Each says what it guarantees. Owns the
 * load; brokers are `brokers/…`'s.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { Agent } from '@agentmesh/agent';
import { NetworkHub } from '@agentmesh/hub-client';

import { connectJetStream, JETSTREAM_DURABILITY, natsArgs } from '../brokers/jetstream.js';
import { NatsClient } from '../brokers/nats-client.js';
import { confirm } from '../harness/bench-error.js';
import { OURS } from '../harness/bench.js';
import type { Absent, Bench, Case, Contender, Sample, Scale } from '../harness/bench.js';
import { confirmDisk, SCRATCH } from '../harness/machine.js';
import { quantile } from '../harness/statistics.js';
import { debianProgram, nodePlan, ServerProcess } from '../peers/server-process.js';
import { ourVersion } from './our-version.js';

const BYTES = 256;
const WINDOW = 32;
const RATE = { name: 'rate', unit: 'requests/s', better: 'higher' } as const;
const P50 = { name: 'p50', unit: 'ms', better: 'lower' } as const;
const P99 = { name: 'p99', unit: 'ms', better: 'lower' } as const;

const OURS_GUARANTEES =
  'end-to-end encrypted and signed; request and answer on the disks (fsync) of caller, hub and ' +
  'callee; one answer over restarts of all three';
const CORE_GUARANTEES =
  'none: in memory, at most once; lost if the callee is away or anything restarts';
const JETSTREAM_GUARANTEES = `request and reply in streams, at least once; ${JETSTREAM_DURABILITY}`;

/** Asks, and gives the answer. */
interface Asker {
  ask(text: string): Promise<string>;
  close(): Promise<void>;
}

export const requestsBench: Bench = {
  name: 'requests',
  title: 'A request and its answer',
  cases: (scale) => [requestCase(scale)],
};

function requestCase(scale: Scale): Case {
  const openOurs = async (): Promise<Contender> => {
    confirmDisk();
    return contenderOf(await askAgent(scale), scale, {
      version: ourVersion(),
      durability: OURS_GUARANTEES,
    });
  };
  const openNats = (
    askerOn: (port: number) => Promise<Asker>,
    durability: string,
  ): (() => Promise<Contender | Absent>) => {
    return async () => {
      const program = debianProgram('nats-server');
      if ('absent' in program) return program;
      const server = await ServerProcess.start({ program: 'nats-server', args: natsArgs });
      const asker = await askerOn(server.port);
      const close = async (): Promise<void> => {
        await asker.close();
        await server.close();
      };
      const about = { version: program.version, durability };
      return contenderOf({ ...asker, close }, scale, about);
    };
  };
  return {
    id: 'echo',
    title: `answers of ${BYTES} B: ${WINDOW} at once (rate), and one after the other (p50, p99)`,
    measures: [RATE, P50, P99],
    entrants: [
      { id: OURS, label: 'AgentMesh `request`', open: openOurs },
      {
        id: 'jetstream-reply',
        label: 'NATS JetStream, stored request and reply, lean client',
        open: openNats(askJetStream, JETSTREAM_GUARANTEES),
      },
      {
        id: 'nats-core',
        label: 'NATS core request/reply, lean client',
        open: openNats(askNats, CORE_GUARANTEES),
      },
    ],
    targets: [],
  };
}

function contenderOf(
  asker: Asker,
  scale: Scale,
  about: { readonly version: string; readonly durability: string },
): Contender {
  return {
    ...about,
    async check() {
      for (const text of ['one', 'two']) confirm((await asker.ask(text)) === text, 'an answer');
    },
    round: () => roundOf(asker, scale.quick ? 64 : 1_000),
    close: () => asker.close(),
  };
}

async function roundOf(asker: Asker, count: number): Promise<Sample> {
  const filler = 'x'.repeat(BYTES);
  let asked = 0;
  const askOn = async (): Promise<void> => {
    while (asked < count) {
      asked += 1;
      const text = `${asked}/${filler}`.slice(0, BYTES);
      confirm((await asker.ask(text)) === text, 'the answer to this request');
    }
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: WINDOW }, askOn));
  const rate = (count * 1_000) / (performance.now() - startMs);
  const delays: number[] = [];
  for (let n = 0; n < count / 4; n++) {
    const beganMs = performance.now();
    await asker.ask(filler);
    delays.push(performance.now() - beganMs);
  }
  return {
    [RATE.name]: rate,
    [P50.name]: quantile(delays, 0.5),
    [P99.name]: quantile(delays, 0.99),
  };
}

/** Two agents with files, on a hub of their own in another process. */
async function askAgent(scale: Scale): Promise<Asker> {
  const folder = mkdtempSync(join(SCRATCH, 'agentmesh-requests-'));
  const server = await ServerProcess.start(nodePlan('hub', scale.profileFolder));
  const agentOf = (name: string): Promise<Agent> => {
    const hub = new NetworkHub({ host: '127.0.0.1', port: server.port, tls: false });
    return Agent.create(name, { hub, keypairPath: join(folder, `${name}.json`) });
  };
  const [alice, bob] = [await agentOf('alice'), await agentOf('bob')];
  bob.onRequest(({ text }) => text, { concurrency: WINDOW });
  return {
    async ask(text) {
      const answer = await alice.request('bob', text);
      confirm(typeof answer['text'] === 'string', 'an answer with a text');
      return answer['text'];
    },
    async close() {
      await alice.close();
      await bob.close();
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Requests by number, until their answers come. */
class Open {
  readonly #waiting = new Map<string, (text: string) => void>();
  #count = 0;

  begin(): { readonly number: string; readonly answer: Promise<string> } {
    this.#count += 1;
    const number = String(this.#count);
    const answer = new Promise<string>((resolve) => void this.#waiting.set(number, resolve));
    return { number, answer };
  }

  end(number: string, text: string): void {
    this.#waiting.get(number)?.(text);
    this.#waiting.delete(number);
  }
}

async function askNats(port: number): Promise<Asker> {
  const [from, to] = [await NatsClient.greet(port), await NatsClient.greet(port)];
  to.subscribe('echo', ({ reply, payload }) => to.publish(reply, payload));
  const open = new Open();
  const inbox = '_INBOX.echo.';
  from.subscribe(`${inbox}*`, ({ subject, payload }) => {
    open.end(subject.slice(inbox.length), payload.toString());
  });
  return {
    ask(text) {
      const { number, answer } = open.begin();
      from.publish('echo', text, `${inbox}${number}`);
      return answer;
    },
    async close() {
      await from.close();
      await to.close();
    },
  };
}

/** One lane for requests and one for replies; each is stored and acknowledged on its way. */
async function askJetStream(port: number): Promise<Asker> {
  const broker = await connectJetStream(port, { count: 2, name: 'requests' });
  const [requests, replies] = broker.lanes;
  confirm(requests !== undefined && replies !== undefined, 'two lanes');
  const open = new Open();
  const stored = (): void => undefined;
  requests.onDelivery = (payload) => replies.send(Buffer.from(payload), stored);
  replies.onDelivery = (payload) => {
    const [number = '', text = ''] = payload.toString().split('\n');
    open.end(number, text);
  };
  return {
    ask(text) {
      const { number, answer } = open.begin();
      requests.send(Buffer.from(`${number}\n${text}`), stored);
      return answer;
    },
    close: () => broker.close(),
  };
}
