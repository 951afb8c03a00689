/**
 * One agent as a process of its own, for example 5: `agent-process.js <name> <hub url> <hub key>
 * <folder> <task>`. Tells on standard output what happens, one JSON object a line.
 */
import { join } from 'node:path';
import process from 'node:process';
import { Agent, NetworkHub } from 'agentmesh';
import type { News } from './child.js';

const [name = '', host = '', port = '', hubKey = '', folder = '', task = ''] =
  process.argv.slice(2);

function tell(news: News): void {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}

const hub = new NetworkHub({ host, port: Number(port), hubKey });
const agent = await Agent.create(name, { hub, keypairPath: join(folder, `${name}.json`) });
tell({ what: 'ready', text: agent.fingerprint });

if (task === 'send') {
  const sent = await agent.send('bob', 'Are you there? I will wait.');
  tell({ what: 'sent', text: 'the hub has it, encrypted, on its disk' });
  await sent.delivered;
  tell({ what: 'delivered', text: 'bob has it, says bob himself' });
}
if (task === 'receive') {
  for await (const message of agent.messages()) {
    tell({ what: 'received', text: `${message.sender}: ${message.text}` });
    // Leaving the loop here would leave it unhandled.
    message.done();
    break;
  }
}
await agent.close();
await hub.close();
