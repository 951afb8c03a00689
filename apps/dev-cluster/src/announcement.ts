/**
 * What the cluster says once it runs: addresses, the key to pin, and a program to paste. Owns these
 * texts.
 */
import { HOST } from './plan.js';
import type { ClusterPlan } from './plan.js';

/** A program with one agent at each of two hubs that write to each other. */
function snippetOf({ hubs }: ClusterPlan, hubKey: string): string {
  const hosts = hubs.map(({ port }) => `'${HOST}:${port}'`).join(', ');
  return `import { Agent, NetworkHub } from 'agentmesh';

const hub = new NetworkHub({ hosts: [${hosts}], hubKey: '${hubKey}' });
const alice = await Agent.create('alice', { hub });
const bob = await Agent.create('bob', { hub });
bob.onMessage((message) => console.log(\`\${message.sender}: \${message.text}\`));
await (await alice.send('bob', { text: 'Hello!' })).delivered;
await hub.close();
`;
}

/** All that a reader of the terminal needs. */
export function announcement(plan: ClusterPlan, hubKey: string, notes: readonly string[]): string {
  const { nodes, hubs } = plan;
  const lines = [
    ...nodes.map(({ name, port, monitor }) => {
      return `${name}  nats://${HOST}:${port}  http://${HOST}:${monitor}/jsz`;
    }),
    ...hubs.map(({ name, port }) => `${name}   ${HOST}:${port}  http://${HOST}:${port}/metrics`),
    `hub key ${hubKey}`,
    ...notes,
    '',
    snippetOf(plan, hubKey),
    'Ctrl-C stops everything.',
  ];
  return lines.join('\n');
}
