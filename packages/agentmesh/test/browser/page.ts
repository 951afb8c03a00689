/**
 * Runs inside the browser: an agent that talks to one in Node over the hub's WebSocket, and two
 * agents over a hub inside the page. The test calls these by their global names.
 */
import { Agent, decodeInvite, LocalHub, NetworkHub } from '../../src/index.js';

/** Greets `peer` over the network hub and gives the text of its answer. */
async function overNetwork(url: string, peer: string): Promise<string> {
  const hub = new NetworkHub(url);
  const agent = await Agent.create('browser', { hub });
  const answer = new Promise<string>((resolve) => {
    agent.onMessage((message) => resolve(`${message.sender}: ${message.text}`));
  });
  await agent.send(peer, 'hello from a browser');
  const text = await answer;
  await agent.close();
  await hub.close();
  return text;
}

/** Two agents in one page. */
async function inPage(): Promise<string> {
  const hub = new LocalHub();
  const alice = await Agent.create('alice', { hub });
  const bob = await Agent.create('bob', { hub });
  const heard = new Promise<string>((resolve) => {
    bob.onMessage((message) => resolve(message.text ?? ''));
  });
  await alice.send('bob', 'grüße, 世界');
  const text = await heard;
  await Promise.all([alice.close(), bob.close()]);
  return text;
}

/** Joins with a pasted line, asks the agent behind it, and says how far each side is known. */
async function joinAndAsk(link: string): Promise<unknown> {
  const invite = decodeInvite(link);
  if (invite === null) throw new TypeError('no invite');
  const hub = new NetworkHub({ hosts: invite.hubs, hubKey: invite.hubKey });
  const agent = await Agent.create('guest', { hub, acceptFrom: 'ask' });
  const { name, trust, accepted } = await agent.join(link);
  await accepted;
  const answer = await agent.request(name, { text: 'who am I?' });
  await agent.close();
  await hub.close();
  return { name, trust, answer };
}

/** The bare door: the type of the first frame that a hub sends. */
function firstFrame(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url}/ws`);
    const begin = { type: 'begin', versions: [2], features: [], clientNonce: 'A'.repeat(43) };
    socket.addEventListener('open', () => socket.send(JSON.stringify(begin)));
    socket.addEventListener('error', () => reject(new TypeError('no connection')));
    socket.addEventListener('message', ({ data }: MessageEvent<string>) => {
      const frame = JSON.parse(data) as { readonly type: string };
      resolve(frame.type);
      socket.close();
    });
  });
}

Object.assign(globalThis, { overNetwork, inPage, joinAndAsk, firstFrame });
