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

/** Asks a peer, reads a stream of it to its end, and leaves another one early. */
async function askAndRead(url: string, peer: string): Promise<unknown> {
  const hub = new NetworkHub(url);
  const agent = await Agent.create('asker', { hub });
  const progress: unknown[] = [];
  const onProgress = (value: unknown): void => void progress.push(value);
  const answer = await agent.request(peer, { n: 20 }, { timeout: '1m', onProgress });
  const refusal = await agent.request(peer, { n: -1 }).catch(({ code }: { code: string }) => code);
  const stream = agent.stream(peer, { count: 1_000 });
  let items = 0;
  for await (const item of stream) {
    if (item !== items) throw new TypeError(`${String(item)} comes as number ${items}`);
    items += 1;
  }
  for await (const item of agent.stream(peer, { count: 1_000_000 })) if (item === 5) break;
  const open = (await agent.calls()).length;
  const result = await stream.result;
  await agent.close();
  await hub.close();
  return { answer, refusal, items, result, progress: progress.length > 0, open };
}

/** Answers one request and one stream in the page, and ends when both were read. */
async function answerInPage(url: string): Promise<string> {
  const hub = new NetworkHub(url);
  const agent = await Agent.create('answerer', { hub });
  const read = Promise.withResolvers<void>();
  agent.onRequest(({ text }) => ({ text: `${text}, says a browser` }));
  agent.onStream(async function* ({ text }) {
    yield* text.split(' ');
    return { words: text.split(' ').length };
  });
  agent.onMessage(({ text }) => {
    if (text === 'that is all') read.resolve();
  });
  await read.promise;
  await agent.close();
  await hub.close();
  return 'read';
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

Object.assign(globalThis, {
  overNetwork,
  inPage,
  joinAndAsk,
  askAndRead,
  answerInPage,
  firstFrame,
});
