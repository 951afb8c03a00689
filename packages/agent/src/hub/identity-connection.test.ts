import { describe, expect, test } from '@jest/globals';
import { ProtocolError } from '@agentmesh/protocol';
import type { Delivery, HubConnection, HubCredentials, HubEvents } from '@agentmesh/protocol';
import { systemRuntime } from '../ground/runtime.js';
import { IdentityConnection } from './identity-connection.js';
import type { DeliveryLine } from './identity-connection.js';

/** A hub of one connection, and what is said to it of deliveries. */
async function connected() {
  const said: string[] = [];
  const lines: DeliveryLine[] = [];
  let events: HubEvents | null = null;
  const connection = {
    session: {},
    ack: (seqs: readonly number[]) => void said.push(`ack ${seqs.join(' ')}`),
    nack: ({ seq }: { seq: number }) => void said.push(`nack ${seq}`),
    credit: ({ messages }: { messages: number }) => void said.push(`credit ${messages}`),
  } as unknown as HubConnection;
  const hub = {
    connect: async (_credentials: HubCredentials, its: HubEvents) => {
      events = its;
      return connection;
    },
  };
  const link = new IdentityConnection(hub, systemRuntime, {
    greeted: () => {},
    authenticated: async () => {},
    deliver: (_delivery, line) => void lines.push(line),
    notice: () => {},
    up: () => {},
    down: () => {},
    ended: () => {},
  });
  await link.connect({} as HubCredentials);
  const deliver = (): DeliveryLine => {
    events?.deliver({ seq: 1 } as Delivery);
    const line = lines.at(-1);
    if (line === undefined) throw new TypeError('nothing was delivered');
    return line;
  };
  const reconnect = async (): Promise<void> => {
    events?.down(new ProtocolError('CONNECTION_LOST'));
    events?.authenticated(connection.session);
    await Promise.resolve();
  };
  return { said, deliver, reconnect };
}

describe('what is said of a delivery', () => {
  test('reaches the hub on the connection that brought it', async () => {
    const { said, deliver } = await connected();
    const line = deliver();
    line.ack(1);
    line.ack(2);
    line.nack({ seq: 3, delayMs: 1, reason: 'LATER' });
    await Promise.resolve();
    expect(said).toEqual(['nack 3', 'ack 1 2']);
  });

  test('is not said on a later one, where the number may be that of another', async () => {
    const { said, deliver, reconnect } = await connected();
    const before = deliver();
    await reconnect();
    before.ack(1);
    before.nack({ seq: 1, delayMs: 1, reason: 'LATER' });
    for (let n = 0; n < 100; n++) before.giveBack(1);
    await Promise.resolve();
    expect(said).toEqual([]);
    deliver().ack(1);
    await Promise.resolve();
    expect(said).toEqual(['ack 1']);
  });
});
