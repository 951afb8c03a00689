/**
 * The hub suite's part about agents that keep no keys (hub.md §2): each holds its name while it is
 * connected, and nobody's kept name gets free. Owns the tests.
 */
import { describe, expect, test } from '@jest/globals';
import { encodeFrame } from '@agentmesh/protocol';
import type { HubCredentials } from '@agentmesh/protocol';
import { sendTo, withHub } from './hub-samples.js';
import type { HubUnderTest, StartHub } from './hub-under-test.js';
import { RawClient } from './raw-client.js';
import { seededRandom } from './seeded-random.js';
import { TestAgent } from './test-agent.js';

const DAY_MS = 86_400_000;
const transient = { isTransient: true };

/** The same name with other keys, as a program has them that is started again. */
const again = (agent: TestAgent, seed = 71): TestAgent =>
  new TestAgent(agent.name, seededRandom(seed));

/** `auth_ok`, or the code of the refusal. */
async function answerTo(hub: HubUnderTest, credentials: HubCredentials): Promise<string> {
  const client = await RawClient.connect(hub);
  client.send((await client.auth(credentials)).frame);
  const answer = await client.answerToAuth();
  client.close();
  await client.closed();
  return answer;
}

async function leave(client: RawClient): Promise<void> {
  client.close();
  await client.closed();
}

/** Agents that keep no keys, and their names. */
export function hubTransients(start: StartHub): void {
  describe('an agent that keeps no keys', () => {
    test('holds its name while it is connected; then the next one may have it', () =>
      withHub(start, {}, async ({ hub, bob }) => {
        const client = await RawClient.authenticate(hub, bob.credentials(transient));
        const next = again(bob);
        expect(await answerTo(hub, next.credentials(transient))).toBe('NAME_TAKEN');
        await leave(client);
        expect(await answerTo(hub, next.credentials(transient))).toBe('auth_ok');
        expect(await answerTo(hub, bob.credentials(transient))).toBe('auth_ok');
      }));

    test('has it again when it comes back before anybody else', () =>
      withHub(start, {}, async ({ hub, bob }) => {
        await leave(await RawClient.authenticate(hub, bob.credentials(transient)));
        const client = await RawClient.authenticate(hub, bob.credentials(transient));
        expect(await answerTo(hub, again(bob).credentials(transient))).toBe('NAME_TAKEN');
        await leave(client);
      }));

    test('whose newer connection lives has not left with the older one', () =>
      withHub(start, {}, async ({ hub, bob }) => {
        const older = await RawClient.authenticate(hub, bob.credentials(transient));
        const newer = await RawClient.authenticate(hub, bob.credentials(transient));
        await older.closed();
        expect(await answerTo(hub, again(bob).credentials(transient))).toBe('NAME_TAKEN');
        await leave(newer);
      }));
  });
}

/** What is left of one that does not come back, and what is not its to give. */
export function hubTransientsGone(start: StartHub): void {
  describe('an agent that keeps no keys, once it has left', () => {
    test('leaves dead letters to its senders when another one takes the name', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        const sender = await join(alice);
        await leave(await RawClient.authenticate(hub, bob.credentials(transient)));
        const request = sendTo(bob);
        expect(await sender.request(request)).toMatchObject({ type: 'sent' });
        await RawClient.authenticate(hub, again(bob).credentials(transient));
        const notice = await sender.next('notice');
        expect(notice).toMatchObject({ id: request.envelope.id, what: 'dead_lettered' });
        expect(await sender.codeOf(sendTo(bob))).toBe('UNKNOWN_RECIPIENT');
      }));

    test('is not there after a restart of the hub; one that keeps them is', () =>
      withHub(start, {}, async ({ hub, bob, carol }) => {
        await RawClient.authenticate(hub, bob.credentials(transient));
        await RawClient.authenticate(hub, carol.credentials());
        await hub.restart();
        expect(await answerTo(hub, again(carol).credentials(transient))).toBe('NAME_TAKEN');
        expect(await answerTo(hub, again(bob).credentials(transient))).toBe('auth_ok');
      }));

    test('is forgotten within hours, and what waits for it is a dead letter', () =>
      withHub(start, {}, async ({ hub, alice, bob, join }) => {
        await leave(await RawClient.authenticate(hub, bob.credentials(transient)));
        let sender = await join(alice);
        const request = sendTo(bob, { ttl: 86_400 });
        expect(await sender.request(request)).toMatchObject({ type: 'sent' });
        await leave(sender);
        await hub.jump(3 * 3_600_000);
        sender = await join(alice);
        await hub.advance(5_000);
        const notice = await sender.next('notice');
        expect(notice).toMatchObject({ id: request.envelope.id, what: 'dead_lettered' });
        expect(await sender.codeOf(sendTo(bob))).toBe('UNKNOWN_RECIPIENT');
      }));
  });
}

/** Names that nobody frees. */
export function hubKeptNames(start: StartHub): void {
  describe('kept names', () => {
    test('T-A48 freed-name: no name of an agent that keeps its keys gets free', () =>
      withHub(start, {}, async ({ hub, bob, publish }) => {
        await leave(await publish(bob));
        const thief = again(bob);
        expect(await answerTo(hub, thief.credentials(transient))).toBe('NAME_TAKEN');
        // Its own keys in a process that says otherwise change nothing.
        expect(await answerTo(hub, bob.credentials(transient))).toBe('auth_ok');
        expect(await answerTo(hub, thief.credentials(transient))).toBe('NAME_TAKEN');
        await hub.jump(3 * DAY_MS);
        await hub.advance(5_000);
        expect(await answerTo(hub, thief.credentials())).toBe('NAME_TAKEN');
      }));

    test.each([
      ['added', {}, true],
      ['taken away', transient, undefined],
    ])('T-A48 freed-name: the word %s on the way does not fit the signature', (_how, said, heard) =>
      withHub(start, {}, async ({ hub, bob }) => {
        const client = await RawClient.connect(hub);
        const { frame } = await client.auth(bob.credentials(said));
        client.sendText(encodeFrame({ ...frame, transient: heard }));
        expect(await client.next('error')).toMatchObject({ code: 'BAD_AUTH' });
        await client.closed();
        expect(await answerTo(hub, again(bob).credentials())).toBe('auth_ok');
      }),
    );
  });
}
