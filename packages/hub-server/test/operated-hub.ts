/**
 * A hub process with an operator at its socket, and agents that come, send and go.
 */
import { expect } from '@jest/globals';
import type { TestAgent } from '@agentmesh/hub-compliance';
import { hubIdOf } from '@agentmesh/protocol';
import type { HubConnection } from '@agentmesh/protocol';
import { Command } from './hub-command.js';
import { OperatorClient } from './operator-client.js';
import { inFolder } from './store-samples.js';
import { join as joinHub, rawClient } from './test-clients.js';

/** A hub, its data folder, and its operator. */
export interface Scene {
  readonly folder: string;
  readonly hub: Command;
  readonly operator: OperatorClient;
}

/** A hub with an operator at its socket. */
export async function operated(
  run: (scene: Scene) => Promise<void>,
  args: string[] = [],
): Promise<void> {
  await inFolder(async (folder) => {
    const hub = await Command.start(['--data', folder, ...args]);
    const operator = await OperatorClient.connect(folder);
    try {
      await run({ folder, hub, operator });
    } finally {
      operator.end();
      hub.signal('SIGKILL');
      await hub.exit();
    }
  });
}

/** Registers an agent and lets it go again. */
export async function register(port: number, agent: TestAgent): Promise<void> {
  await (await joinHub(port, agent)).close();
}

/** Publishes what makes an agent one that can be written to, and so is listed. */
export async function publish(connection: HubConnection, agent: TestAgent): Promise<void> {
  const nowMs = Date.now();
  const hubId = hubIdOf(connection.session.hubKey);
  await connection.putIdentity(agent.record({ hubId, nowMs }));
  await connection.putPrekeys({ signed: [agent.signedPrekey(1, nowMs)], oneTime: [] });
}

/** Sends envelopes from one agent to another that is not there. */
export async function send(
  port: number,
  from: TestAgent,
  to: TestAgent,
  count: number,
  bytes = 100,
): Promise<void> {
  const client = await rawClient(port);
  client.send((await client.auth(from.credentials())).frame);
  await client.next('auth_ok');
  for (let n = 0; n < count; n++) {
    const id = new Uint8Array(16).fill(n + 1);
    const out = { id, to: to.aid, ttl: 600, blob: new Uint8Array(bytes) };
    expect(await client.codeOf({ type: 'send', envelope: out })).toBe('sent');
  }
  client.close();
}
