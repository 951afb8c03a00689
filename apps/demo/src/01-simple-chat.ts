/**
 * Example 1: two agents greet each other over a hub in the same process.
 * Shows handlers, replies, and what a hub gets to see of it.
 */
import { Agent, LocalHub } from 'agentmesh';
import { countdown } from './example.js';
import type { Show } from './show.js';
import type { Row } from './table.js';

/** What was seen of each message. */
export async function simpleChat(show: Show): Promise<Row[]> {
  const hub = new LocalHub({ onTraffic: show.hubSaw });
  await using alice = await Agent.create('alice', { hub });
  await using bob = await Agent.create('bob', { hub });
  const answered = countdown(2);

  bob.onMessage(async (message) => {
    show.agentSaw(message);
    await message.reply({ text: `You said: ${message.text}` });
  });
  alice.onMessage((message) => {
    show.agentSaw(message);
    answered.step();
  });

  await alice.send('bob', 'Hello Bob!');
  await alice.send('bob', { text: 'The build is green.', build: 42, tags: ['ci', 'main'] });
  await answered.done;

  show.say(`alice is ${alice.fingerprint}`);
  show.say(`bob   is ${bob.fingerprint}`);
  return show.compare();
}
