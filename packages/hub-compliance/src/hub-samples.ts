/**
 * Short ways to set up a hub with agents for a test, and to send and take envelopes.
 * Owns no test.
 */
import type { SendFrame } from '@agentmesh/protocol';
import { hubIdOf, ready } from '@agentmesh/protocol';
import type { HubSetup, HubUnderTest, StartHub } from './hub-under-test.js';
import { RawClient } from './raw-client.js';
import { seededRandom } from './seeded-random.js';
import { TestAgent } from './test-agent.js';

/** A hub and three agents, of whom none is connected. */
export interface Scene {
  readonly hub: HubUnderTest;
  readonly alice: TestAgent;
  readonly bob: TestAgent;
  readonly carol: TestAgent;
  /** Connects and authenticates an agent. */
  readonly join: (agent: TestAgent) => Promise<RawClient>;
  /** A connected agent that published its record and prekeys. */
  readonly publish: (agent: TestAgent, oneTime?: number) => Promise<RawClient>;
}

/** Runs a test with a hub that has an empty store, and stops the hub. */
export async function withHub(
  start: StartHub,
  setup: HubSetup,
  test: (scene: Scene) => Promise<void>,
): Promise<void> {
  await ready();
  const hub = await start(setup);
  const random = seededRandom(7);
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((name) => new TestAgent(name, random));
  if (alice === undefined || bob === undefined || carol === undefined) return;
  const join = (agent: TestAgent) => RawClient.authenticate(hub, agent.credentials());
  try {
    await test({ hub, alice, bob, carol, join, publish: (agent, n = 0) => publish(hub, agent, n) });
  } finally {
    await hub.stop();
  }
}

async function publish(hub: HubUnderTest, agent: TestAgent, oneTime: number): Promise<RawClient> {
  const client = await RawClient.connect(hub);
  const { frame, hello } = await client.auth(agent.credentials());
  client.send(frame);
  await client.next('auth_ok');
  const nowMs = hub.clock();
  const record = agent.record({ hubId: hubIdOf(hello.hubKey), nowMs });
  await client.request({ type: 'put_identity', record });
  await client.request({
    type: 'put_prekeys',
    signed: [agent.signedPrekey(1, nowMs)],
    oneTime: agent.oneTimePrekeys(oneTime, nowMs),
  });
  return client;
}

let envelopes = 0;

/** A request to send 64 bytes, with a fresh id unless given. */
export function sendTo(
  recipient: TestAgent,
  changes: Partial<SendFrame['envelope']> = {},
): Omit<SendFrame, 'id'> {
  envelopes += 1;
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, envelopes);
  const blob = new Uint8Array(64).fill(envelopes & 255);
  return { type: 'send', envelope: { id, to: recipient.aid, ttl: 3_600, blob, ...changes } };
}

/** Sends `count` envelopes one after the other; gives their ids. */
export async function sendMany(
  client: RawClient,
  recipient: TestAgent,
  count: number,
): Promise<Uint8Array[]> {
  const ids: Uint8Array[] = [];
  for (let at = 0; at < count; at++) {
    const request = sendTo(recipient);
    ids.push(request.envelope.id);
    // Their order is what is tested.
    await client.request(request);
  }
  return ids;
}

/** Ids of the deliveries that have come, taken. */
export function deliveredIds(client: RawClient): Uint8Array[] {
  return client.all('deliver').map((frame) => frame.envelope.id);
}

/** The id that identity records name, as a stranger can read it. */
export async function hubIdOfHub(hub: HubUnderTest): Promise<Uint8Array> {
  const client = await RawClient.connect(hub);
  const { hubKey } = (await client.begin()).hello;
  client.close();
  return hubIdOf(hubKey);
}
