/**
 * Evidence of messages (docs/concepts.md): whoever has it can show who wrote what to whom, without
 * any network; nobody can make, change or cut it.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { concatBytes, CONTENT_KIND, decodeContent, encodeContent, ready } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { fromBase64Url, toBase64Url } from '@agentmesh/protocol';
import { verifyEvidence } from '../src/index.js';
import type { Evidence } from '../src/index.js';
import { decodeInboxRow, encodeInboxRow } from '../src/message/inbox.js';
import { Message } from '../src/message/message.js';
import { RowWriter } from '../src/store/row-codec.js';
import { World } from './world.js';

beforeAll(ready);

const refused = { code: 'BAD_EVIDENCE', retryable: false };

/** What is shown to somebody: JSON. */
const shown = (evidence: object): Evidence => JSON.parse(JSON.stringify(evidence)) as Evidence;

/** Two messages of Alice to Bob: the first of a session, and a later one. */
async function exchange(world: World) {
  const alice = await world.agent('alice');
  const bob = await world.agent('bob');
  await world.finish(alice.agent.send('bob', { text: 'I owe you 5', amount: 5 }));
  await world.finish(bob.agent.send('alice', 'noted'));
  await world.finish(alice.agent.send('bob', 'and 7 more'));
  await world.advance(2_000);
  const [first, later] = bob.messages as [Message, Message];
  return { alice, bob, first: shown(first.evidence()), later: shown(later.evidence()) };
}

/** Evidence of a content that this key has really signed, such as a receipt. */
function signedBy(keys: AgentKeyPair, like: Evidence, content: Uint8Array): Evidence {
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
  const label = new TextEncoder().encode('AgentMesh/2 message-signature\0');
  const associatedData = hash(fromBase64Url(like.associatedData));
  const signature = keys.sign(concatBytes(label, associatedData, hash(content)));
  return { ...like, content: toBase64Url(content), signature: toBase64Url(signature) };
}

describe('evidence', () => {
  test('proves who wrote what to whom, of the first message of a session and of later ones', async () => {
    await using world = await World.create();
    const { alice, bob, first, later } = await exchange(world);
    const party = ({ agent }: typeof alice) => ({
      name: agent.id,
      address: agent.address,
      fingerprint: agent.fingerprint,
    });
    const proved = await verifyEvidence(first);
    expect(proved).toMatchObject({
      id: bob.messages[0]?.id,
      sender: party(alice),
      recipient: party(bob),
      payload: { text: 'I owe you 5', amount: 5 },
      replyTo: null,
      timestamp: bob.messages[0]?.timestamp,
    });
    const parties = { sender: alice.agent.address, recipient: bob.agent.address };
    expect(await verifyEvidence(later, parties)).toMatchObject({ text: 'and 7 more' });
  });

  test('is there after a restart, of requests, and of messages that nobody handled yet', async () => {
    await using world = await World.create();
    const alice = await world.agentWithoutHandler('alice');
    const bob = await world.agentWithoutHandler('bob');
    await world.finish(alice.agent.send('bob', 'wait'));
    await world.advance(2_000);
    const again = await world.restart(bob);
    const evidence: Evidence[] = [];
    again.agent.onRequest((request) => void evidence.push(request.evidence()));
    await world.finish(alice.agent.request('bob', 'sign here'));
    await world.advance(2_000);
    for (const message of again.messages) evidence.push(message.evidence());
    const texts = await Promise.all(
      evidence.map(async (each) => (await verifyEvidence(each)).text),
    );
    expect(texts.toSorted()).toEqual(['sign here', 'wait']);
  });

  test('is not there for a message to oneself, nor for a row of an earlier version', async () => {
    await using world = await World.create();
    const { bob } = await exchange(world);
    await world.finish(bob.agent.send('bob', 'note'));
    await world.rest();
    expect(() => bob.messages.at(-1)?.evidence()).toThrow(
      expect.objectContaining({ code: 'NO_EVIDENCE' }),
    );
    const own = { content: contentOf('alice'), proof: null, receivedMs: 2, attempts: 1 };
    const from = new Uint8Array(32);
    const standing = { trust: 'pinned', pinnedMs: 1, verifiedBy: null } as const;
    const row = encodeInboxRow({ from, ...standing, ...own });
    // Version 2 ended with the content.
    const second = row.slice(0, -1);
    second.set(new RowWriter().u8(2).finish());
    const read = decodeInboxRow(second);
    expect(read).toEqual({ from, ...standing, ...own });
    const message = new Message(read, { redelivered: true }, () => Promise.reject(new TypeError()));
    expect(() => message.evidence()).toThrow(expect.objectContaining({ code: 'NO_EVIDENCE' }));
  });

  test('is read as published', async () => {
    const file = new URL('../../crypto/vectors/evidence.json', import.meta.url);
    const { messages } = JSON.parse(readFileSync(file, 'utf8')) as {
      readonly messages: readonly { evidence: Evidence; sender: string; recipient: string }[];
    };
    for (const { evidence, sender, recipient } of messages) {
      const proved = await verifyEvidence(evidence);
      expect([proved.sender.address, proved.recipient.address]).toEqual([sender, recipient]);
    }
  });
});

describe('T-E1 forged evidence', () => {
  test('with anything of it changed, cut or put in from another message is BAD_EVIDENCE', async () => {
    await using world = await World.create();
    const { first, later } = await exchange(world);
    for (const field of ['keys', 'associatedData', 'content', 'signature'] as const) {
      const text = later[field];
      const bytes = fromBase64Url(text);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      const instead = [toBase64Url(bytes), text.slice(0, -4), `${text}AAAA`, '', '*', first[field]];
      const other = field === 'keys' ? instead.slice(0, -1) : instead;
      for (const value of other) {
        await expect(verifyEvidence({ ...later, [field]: value })).rejects.toMatchObject(refused);
      }
    }
  });

  test('of somebody else is BAD_EVIDENCE: who shows it cannot have written or received it instead', async () => {
    await using world = await World.create();
    const { alice, bob, later } = await exchange(world);
    const mallory = await world.agent('mallory');
    const { signing, dh } = mallory.keyPair.identity;
    const keys = toBase64Url(new Uint8Array([...signing, ...dh]));
    await expect(verifyEvidence({ ...later, keys })).rejects.toMatchObject(refused);
    const resigned = signedBy(mallory.keyPair, later, fromBase64Url(later.content));
    await expect(verifyEvidence(resigned)).rejects.toMatchObject(refused);
    await expect(verifyEvidence({ ...resigned, keys })).rejects.toMatchObject(refused);
    const sender = mallory.agent.address;
    await expect(verifyEvidence(later, { sender })).rejects.toMatchObject(refused);
    await expect(verifyEvidence(later, { recipient: sender })).rejects.toMatchObject(refused);
    const parties = { sender: bob.agent.address, recipient: alice.agent.address };
    await expect(verifyEvidence(later, parties)).rejects.toMatchObject(refused);
  });

  test('of what its sender signed for itself, such as a receipt, is BAD_EVIDENCE', async () => {
    await using world = await World.create();
    const { alice, later } = await exchange(world);
    const content = decodeContent(fromBase64Url(later.content));
    const receipt = { ...content, kind: CONTENT_KIND.receipt, body: Uint8Array.of(0) };
    const text = { ...content, body: new TextEncoder().encode('[]') };
    for (const other of [encodeContent(receipt), encodeContent(text), new Uint8Array(3)]) {
      const signed = signedBy(alice.keyPair, later, other);
      await expect(verifyEvidence(signed)).rejects.toMatchObject(refused);
    }
    // What is signed like that and is a message passes: it is the key that proves.
    const genuine = signedBy(alice.keyPair, later, encodeContent(content));
    expect(await verifyEvidence(genuine)).toMatchObject({ text: 'and 7 more' });
  });

  test.each([
    ['nothing', null],
    ['a text', 'evidence'],
    ['a list', []],
    ['an empty object', {}],
    ['another version', { v: 2, keys: '', associatedData: '', content: '', signature: '' }],
    ['other fields', { v: 1, keys: '', associatedData: '', content: '', signature: '', x: 1 }],
    ['no texts', { v: 1, keys: 1, associatedData: {}, content: [], signature: null }],
    ['10 MB', { v: 1, keys: 'A'.repeat(10_000_000) }],
    ['a prototype', { __proto__: { v: 1, keys: 'AA' } }],
  ])('%s is BAD_EVIDENCE', async (_what, given) => {
    await expect(verifyEvidence(given as object)).rejects.toMatchObject(refused);
  });
});

function contentOf(fromName: string): Uint8Array {
  return encodeContent({
    kind: CONTENT_KIND.application,
    msgId: new Uint8Array(16),
    sentAtMs: 0,
    convSeq: 1,
    peerAck: 0,
    instance: new Uint8Array(16),
    boot: 0,
    logSize: 0,
    logHead: new Uint8Array(32),
    fromName,
    toName: 'bob',
    body: new TextEncoder().encode('{}'),
  });
}
