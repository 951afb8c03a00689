/**
 * Our hub as a broker: `NetworkHubServer` with `SqliteHubStore` in a process of its own, plaintext
 * on the loopback interface as for every other server here; and the relay that is its ceiling.
 */
import { ready } from '@agentmesh/crypto';

import type { Broker, Lane } from './broker.js';
import { FrameClient, memberOf } from './frame-client.js';
import type { Member } from './frame-client.js';

/** Who talks in a benchmark: the same identities after a restart of the hub. */
export interface LaneMembers {
  readonly sender: Member;
  readonly receiver: Member;
}

export async function laneMembers(lanes: number, prefix = ''): Promise<LaneMembers[]> {
  await ready();
  return Array.from({ length: lanes }, (_, lane) => ({
    sender: memberOf(`${prefix}sender-${lane}`),
    receiver: memberOf(`${prefix}receiver-${lane}`),
  }));
}

/** Connects both ends of each lane to our hub. */
export function connectHub(port: number, members: readonly LaneMembers[]): Promise<Broker> {
  return connectLanes(members, {
    join: (member, onDelivery) => FrameClient.join(port, member, { onDelivery }),
    acquaint: writeOnce,
  });
}

/** Who has never written to a sender has a small queue for it, as for every stranger. */
function writeOnce(from: FrameClient, to: Member): Promise<void> {
  return new Promise((resolve) => {
    from.send(to.keyPair.identity.aid, Buffer.alloc(16), resolve);
  });
}

/** The same to several hubs over one store: nobody's sender is where the receiver is. */
export function connectHubs(
  ports: readonly number[],
  members: readonly LaneMembers[],
): Promise<Broker> {
  const homes = new Map<Member, number>();
  for (const [lane, { sender, receiver }] of members.entries()) {
    homes.set(receiver, ports[lane % ports.length] ?? 0);
    homes.set(sender, ports[(lane + 1) % ports.length] ?? 0);
  }
  return connectLanes(members, {
    join: (member, onDelivery) => FrameClient.join(homes.get(member) ?? 0, member, { onDelivery }),
    acquaint: writeOnce,
  });
}

/** The same to the relay. */
export function connectRelay(port: number, members: readonly LaneMembers[]): Promise<Broker> {
  return connectLanes(members, {
    join: (member, onDelivery) => FrameClient.joinRelay(port, member, { onDelivery }),
    acquaint: () => Promise.resolve(),
  });
}

interface Acquaintance {
  readonly join: (member: Member, onDelivery: (blob: Buffer) => void) => Promise<FrameClient>;
  /** Before the load: the receiver of a lane and its sender get to know each other. */
  readonly acquaint: (receiver: FrameClient, sender: Member) => Promise<void>;
}

async function connectLanes(
  members: readonly LaneMembers[],
  { join, acquaint }: Acquaintance,
): Promise<Broker> {
  const clients: FrameClient[] = [];
  const lanes: Lane[] = [];
  for (const { sender, receiver } of members) {
    const { aid } = receiver.keyPair.identity;
    const to = await join(receiver, (blob) => lane.onDelivery(blob));
    const from = await join(sender, () => undefined);
    await acquaint(to, sender);
    clients.push(from, to);
    const lane: Lane = {
      send: (blob, accepted) => from.send(aid, blob, accepted),
      onDelivery: () => undefined,
    };
    lanes.push(lane);
  }
  return {
    lanes,
    async close() {
      for (const client of clients) await client.close();
    },
  };
}
