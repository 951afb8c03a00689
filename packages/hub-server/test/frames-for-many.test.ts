/**
 * Frames for many between a client and a real hub: who has the feature gets what comes together in
 * one frame and may send so; who has not is served as before. The words on the wire are looked at.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { TestAgent } from '@agentmesh/hub-compliance';
import {
  acceptHello,
  createAuth,
  createBegin,
  encodeFrame,
  FEATURES,
  gathered,
  NO_CHANNEL_BINDING,
  parseHubFrame,
  ready,
} from '@agentmesh/protocol';
import type { HubFrame } from '@agentmesh/protocol';
import { WebSocket } from 'ws';
import { dial } from './socket-client.js';
import { newAgent, until, withServer } from './test-clients.js';

const WAIT_MS = 20_000;
const MESSAGES = 10;
jest.setTimeout(60_000);
beforeAll(() => ready());

/** Texts to and from a hub. */
interface Wire {
  readonly write: (text: string) => void;
  readonly onText: (listener: (text: string) => void) => void;
  readonly end: () => void;
}

/** An authenticated connection, as text. */
interface Line extends Wire {
  readonly frames: HubFrame[];
}

const WIRES = {
  async tcp(port: number): Promise<Wire> {
    const socket = await dial('tcp', port);
    const lines = createInterface({ input: socket });
    return {
      write: (text) => void socket.write(`${text}\n`),
      onText: (listener) => void lines.on('line', listener),
      end: () => socket.destroy(),
    };
  },
  async websocket(port: number): Promise<Wire> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    await once(socket, 'open');
    return {
      write: (text) => socket.send(text),
      onText: (listener) => void socket.on('message', (data: Buffer) => listener(String(data))),
      end: () => socket.terminate(),
    };
  },
};
type WireKind = keyof typeof WIRES;

interface Meeting {
  readonly wire: WireKind;
  readonly port: number;
}

async function lineOf(
  { wire: kind, port }: Meeting,
  agent: TestAgent,
  features: readonly string[],
): Promise<Line> {
  const wire = await WIRES[kind](port);
  const texts: string[] = [];
  wire.onText((text) => texts.push(text));
  const begin = createBegin(new Uint8Array(32), features);
  wire.write(begin.text);
  await until(() => texts.length > 0, WAIT_MS);
  const text = texts[0] ?? '';
  const decoded = parseHubFrame(text);
  if (!decoded.ok || decoded.frame.type !== 'hello') throw new TypeError(text);
  const channelBinding = NO_CHANNEL_BINDING;
  const hello = { frame: decoded.frame, text };
  const hub = acceptHello({ begin, hello, channelBinding, pinnedHubKey: null });
  if (!hub.ok) throw hub.error;
  const credentials = agent.credentials();
  const frames: HubFrame[] = [];
  wire.onText((line) => {
    const read = parseHubFrame(line);
    if (read.ok) frames.push(read.frame);
  });
  wire.write(createAuth({ id: 0, hub: hub.value, credentials, channelBinding }).text);
  await until(() => frames.some(({ type }) => type === 'auth_ok'), WAIT_MS);
  return { ...wire, frames };
}

/** Texts of so many `send`. */
function sendsTo(to: Uint8Array): string[] {
  return Array.from({ length: MESSAGES }, (_, at) => {
    const id = at + 1;
    const envelope = { id: new Uint8Array(16).fill(id), to, ttl: 60, blob: new Uint8Array(9) };
    return encodeFrame({ type: 'send', id, ...(at === 0 ? {} : { after: at }), envelope });
  });
}

function deliveredTo({ frames }: Line): number[] {
  return frames.flatMap((frame) => {
    if (frame.type === 'deliver') return [frame.envelope.id[0] ?? 0];
    if (frame.type !== 'deliver_many') return [];
    return frame.deliveries.map(({ envelope }) => envelope.id[0] ?? 0);
  });
}

function answered({ frames }: Line): number[] {
  return frames.flatMap((frame) => {
    if (frame.type === 'sent') return [frame.re];
    return frame.type === 'sent_many' ? frame.sents.map(({ re }) => re) : [];
  });
}

const kindsOf = ({ frames }: Line): Set<string> => new Set(frames.map(({ type }) => type));
const MANY = [FEATURES.many];
const all = Array.from({ length: MESSAGES }, (_, at) => at + 1);

describe.each(['tcp', 'websocket'] as const)('a hub over %s', (wire) => {
  test.each([
    ['both with the feature', MANY, MANY],
    ['an older sender', [], MANY],
    ['an older recipient', MANY, []],
    ['both older', [], []],
  ])('serves %s: all of it, once and in order', (_, ofSender, ofRecipient) =>
    withServer({}, async ({ port }) => {
      const [alice, bob] = [newAgent('alice'), newAgent('bob')];
      const receiver = await lineOf({ wire, port }, bob, ofRecipient);
      const sender = await lineOf({ wire, port }, alice, ofSender);
      const texts = sendsTo(bob.aid);
      const spoken = ofSender.length > 0 ? gathered(texts) : texts;
      expect(spoken).toHaveLength(ofSender.length > 0 ? 1 : MESSAGES);
      for (const text of spoken) sender.write(text);
      await until(() => deliveredTo(receiver).length >= MESSAGES, WAIT_MS);
      await until(() => answered(sender).length >= MESSAGES, WAIT_MS);
      expect(deliveredTo(receiver)).toEqual(all);
      expect(answered(sender)).toEqual(all);
      // What one commit has stored is answered together, and pushed together.
      expect(kindsOf(receiver).has('deliver_many')).toBe(ofRecipient.length > 0);
      expect(kindsOf(sender).has('sent_many')).toBe(ofSender.length > 0);
      for (const { end } of [sender, receiver]) end();
    }),
  );

  test('answers each of many for itself: one that is refused keeps those behind it waiting', () =>
    withServer({ limits: { queueMessages: 3 } }, async ({ port }) => {
      const [alice, bob] = [newAgent('alice'), newAgent('bob')];
      (await lineOf({ wire, port }, bob, [])).end();
      const sender = await lineOf({ wire, port }, alice, MANY);
      for (const text of gathered(sendsTo(bob.aid))) sender.write(text);
      const errors = () => sender.frames.filter(({ type }) => type === 'error');
      await until(() => answered(sender).length + errors().length >= MESSAGES, WAIT_MS);
      const refused = errors().map((frame) => 're' in frame && frame.re);
      expect([...answered(sender), ...refused]).toEqual(all);
      expect(refused.length).toBeGreaterThan(0);
      sender.end();
    }));
});
