/**
 * NATS JetStream as a broker: a stream with work-queue retention on files, a subject and a pull
 * consumer per receiver, each publication acknowledged by the server and each delivery by the
 * client. Once through the lean client, once through the official one for Node.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { BenchError } from '../harness/bench-error.js';
import type { Absent } from '../harness/bench.js';
import { loadPeer } from '../peers/packages.js';
import type { Broker, Lane } from './broker.js';
import { NatsClient } from './nats-client.js';

const PULL = 512;
const EXPIRES_NS = 60_000_000_000;
const MAX_PENDING = 4096;

/** Arguments for `nats-server`; everything else is its default. */
export function natsArgs(folder: string, port: number): string[] {
  const file = join(folder, 'nats.conf');
  const jetstream = `jetstream {\n  store_dir: "${folder}"\n}`;
  writeFileSync(file, `host: 127.0.0.1\nport: ${port}\nmax_payload: 2MB\n${jetstream}\n`);
  return ['-c', file, '-l', join(folder, 'nats.log')];
}

/** What its default configuration promises of a message that it has acknowledged. */
export const JETSTREAM_DURABILITY =
  'acknowledged from the page cache; fsync every 2 minutes (its default): lost with the power';

/** Both ends of each lane through the lean client. */
export async function connectJetStream(
  port: number,
  { count, name }: { readonly count: number; readonly name: string },
): Promise<Broker> {
  const admin = await NatsClient.connect(port);
  await admin.ask(`$JS.API.STREAM.CREATE.${name}`, {
    name,
    subjects: [`${name}.*`],
    retention: 'workqueue',
    storage: 'file',
    num_replicas: 1,
  });
  const clients = [admin];
  const lanes: Lane[] = [];
  for (let number = 0; number < count; number++) {
    const [from, to] = [await NatsClient.connect(port), await NatsClient.connect(port)];
    clients.push(from, to);
    await createConsumer(admin, name, number);
    lanes.push(leanLane({ from, to, name, number }));
  }
  return {
    lanes,
    async close() {
      for (const client of clients) await client.close();
    },
  };
}

async function createConsumer(admin: NatsClient, stream: string, number: number): Promise<void> {
  const durable = `c${number}`;
  await admin.ask(`$JS.API.CONSUMER.CREATE.${stream}.${durable}.${stream}.${number}`, {
    stream_name: stream,
    config: {
      durable_name: durable,
      name: durable,
      filter_subject: `${stream}.${number}`,
      ack_policy: 'explicit',
      deliver_policy: 'all',
      max_ack_pending: MAX_PENDING,
    },
  });
}

interface LaneEnds {
  readonly from: NatsClient;
  readonly to: NatsClient;
  readonly name: string;
  readonly number: number;
}

function leanLane({ from, to, name, number }: LaneEnds): Lane {
  const accepted: (() => void)[] = [];
  let first = 0;
  const inbox = `_INBOX.pub.${number}.${process.pid}`;
  // Acknowledgements of one connection come in the order of its publications.
  from.subscribe(inbox, ({ payload }) => {
    if (!payload.includes('"seq"')) throw new BenchError('PEER_FAILED', payload.toString());
    const onAccepted = accepted[first];
    first += 1;
    if (first === accepted.length) {
      accepted.length = 0;
      first = 0;
    }
    onAccepted?.();
  });
  const lane: Lane = {
    send(blob, onAccepted) {
      accepted.push(onAccepted);
      from.publish(`${name}.${number}`, blob, inbox);
    },
    onDelivery: () => undefined,
  };
  let wanted = 0;
  const pull = (): void => {
    wanted += PULL;
    const question = JSON.stringify({ batch: PULL, expires: EXPIRES_NS });
    to.publish(`$JS.API.CONSUMER.MSG.NEXT.${name}.c${number}`, question, `_INBOX.sub.${number}`);
  };
  to.subscribe(`_INBOX.sub.${number}`, ({ reply, payload }) => {
    // Without a subject for the answer it is a note about a request that has ended.
    if (reply === '') return pull();
    wanted -= 1;
    if (wanted <= PULL / 2) pull();
    lane.onDelivery(payload);
    to.publish(reply, '+ACK');
  });
  pull();
  return lane;
}

interface Connection {
  close(): Promise<void>;
}
interface Transport {
  connect(options: object): Promise<Connection>;
}
interface Delivery {
  readonly data: Uint8Array;
  ack(): void;
}
interface Consumer {
  consume(options: object): Promise<AsyncIterable<Delivery> & { close(): Promise<unknown> }>;
}
interface JetStreamModule {
  readonly jetstream: (connection: Connection) => {
    publish(subject: string, data: Uint8Array): Promise<{ seq: number }>;
    consumers: { get(stream: string, consumer: string): Promise<Consumer> };
  };
}

/** Both ends of each lane through the official client, over a stream of the lean one. */
export async function connectOfficial(
  port: number,
  { count, name }: { readonly count: number; readonly name: string },
): Promise<(Broker & { readonly version: string }) | Absent> {
  const transport = await loadPeer('@nats-io/transport-node');
  const library = await loadPeer('@nats-io/jetstream');
  if ('absent' in transport) return transport;
  if ('absent' in library) return library;
  const { jetstream } = library.module as JetStreamModule;
  const prepared = await connectJetStream(port, { count: 0, name });
  const admin = await NatsClient.connect(port);
  const connections: Connection[] = [];
  const lanes: Lane[] = [];
  for (let number = 0; number < count; number++) {
    await createConsumer(admin, name, number);
    const options = { servers: `127.0.0.1:${port}` };
    const connect = () => (transport.module as Transport).connect(options);
    const [from, to] = [await connect(), await connect()];
    connections.push(from, to);
    const sender = jetstream(from);
    const receiver = jetstream(to);
    const consumer = await receiver.consumers.get(name, `c${number}`);
    lanes.push(
      officialLane(sender, `${name}.${number}`, await consumer.consume({ max_messages: PULL })),
    );
  }
  return {
    lanes,
    version: library.version,
    async close() {
      await prepared.close();
      await admin.close();
      for (const connection of connections) await connection.close();
    },
  };
}

function officialLane(
  sender: ReturnType<JetStreamModule['jetstream']>,
  subject: string,
  deliveries: AsyncIterable<Delivery>,
): Lane {
  const lane: Lane = {
    send: (blob, accepted) => void sender.publish(subject, blob).then(accepted),
    onDelivery: () => undefined,
  };
  void (async () => {
    for await (const delivery of deliveries) {
      lane.onDelivery(Buffer.from(delivery.data));
      delivery.ack();
    }
  })();
  return lane;
}
