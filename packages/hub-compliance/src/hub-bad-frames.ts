/**
 * The hub suite's part about bad input: every bad frame is an error with a code, the third closes,
 * and nothing changes (hub.md §2). Owns the frames and the tests.
 */
import { describe, expect, test } from '@jest/globals';
import { isErrorCode } from '@agentmesh/protocol';
import { deliveredIds, sendTo, withHub } from './hub-samples.js';
import type { HubUnderTest, StartHub } from './hub-under-test.js';
import { RawClient } from './raw-client.js';
import type { TestAgent } from './test-agent.js';

const ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const AID = 'A'.repeat(43);
const envelope = `"id":"${ID}","to":"${AID}","ttl":9,"blob":"AAAA"`;

/** Texts that no hub may take for a frame, by what is wrong with them. */
export const BAD_FRAMES: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['white space', '  '],
  ['no JSON', 'hello'],
  ['half an object', '{"type":"ping","id":1'],
  ['two objects', '{"type":"ping","id":1}{"type":"ping","id":2}'],
  ['an array', '[{"type":"ping","id":1}]'],
  ['null', 'null'],
  ['a number', '1e999'],
  ['a text', '"ping"'],
  ['a NUL', '{"type":"ping","id":1}\u0000'],
  ['a comment', '{"type":"ping",/**/"id":1}'],
  ['a double key', '{"type":"ping","id":1,"id":2}'],
  ['a __proto__ key', '{"type":"ping","id":1,"__proto__":{}}'],
  ['deep nesting', `{"type":"ping","id":${'['.repeat(60)}${']'.repeat(60)}}`],
  ['no type', '{"id":1}'],
  ['a type of another kind', '{"type":1,"id":1}'],
  ['an unknown type', '{"type":"pong","id":1}'],
  ['a frame of the hub', '{"type":"bye","code":"IDLE"}'],
  ['a type in upper case', '{"type":"PING","id":1}'],
  ['no id', '{"type":"ping"}'],
  ['a negative id', '{"type":"ping","id":-1}'],
  ['an id above u32', '{"type":"ping","id":4294967296}'],
  ['a fractional id', '{"type":"ping","id":1.5}'],
  ['a textual id', '{"type":"ping","id":"1"}'],
  ['an unknown key', '{"type":"ping","id":1,"extra":0}'],
  ['send without envelope', '{"type":"send","id":1}'],
  ['send without blob', `{"type":"send","id":1,"envelope":{"id":"${ID}","to":"${AID}","ttl":9}}`],
  [
    'an empty blob',
    `{"type":"send","id":1,"envelope":{${envelope.replace('AAAA"}', '"}')}},"x":1}`,
  ],
  ['a short recipient', `{"type":"send","id":1,"envelope":{${envelope.replace(AID, ID)}}}`],
  ['a padded id', `{"type":"send","id":1,"envelope":{${envelope.replace(ID, `${ID}==`)}}}`],
  ['standard base64', `{"type":"send","id":1,"envelope":{${envelope.replace('AAAA"', 'A+/A"')}}}`],
  ['stray bits', `{"type":"send","id":1,"envelope":{${envelope.replace(ID, `${ID.slice(1)}B`)}}}`],
  ['a ttl of zero', `{"type":"send","id":1,"envelope":{${envelope.replace('9', '0')}}}`],
  [
    'a ttl above 30 days',
    `{"type":"send","id":1,"envelope":{${envelope.replace('9', '2592001')}}}`,
  ],
  ['a forged sender', `{"type":"send","id":1,"envelope":{${envelope},"from":"${AID}"}}`],
  ['an empty ack', '{"type":"ack","seqs":[]}'],
  ['an ack of zero', '{"type":"ack","seqs":[0]}'],
  ['an ack of text', '{"type":"ack","seqs":["1"]}'],
  ['an ack beyond 2^53', '{"type":"ack","seqs":[9007199254740992]}'],
  ['too many acks', `{"type":"ack","seqs":[${'1,'.repeat(1_000)}1]}`],
  ['a nack without reason', '{"type":"nack","seq":1,"delay":0}'],
  ['a nack with a negative delay', '{"type":"nack","seq":1,"delay":-1,"reason":"STORAGE"}'],
  ['a nack with prose', '{"type":"nack","seq":1,"delay":0,"reason":"no thanks\\n"}'],
  ['negative credit', '{"type":"credit","messages":-1,"bytes":0}'],
  ['endless credit', '{"type":"credit","messages":1e18,"bytes":0}'],
  ['a short prekey', '{"type":"put_prekeys","id":1,"signed":["AAAA"],"oneTime":[]}'],
  ['too many signed prekeys', '{"type":"put_prekeys","id":1,"signed":["","",""],"oneTime":[]}'],
  ['a short revocation', '{"type":"put_revocation","id":1,"revocation":"AAAA"}'],
  ['an empty record', '{"type":"put_identity","id":1,"record":""}'],
  ['a long record', `{"type":"put_identity","id":1,"record":"${'A'.repeat(480)}"}`],
  ['a peer with a space', '{"type":"get_bundle","id":1,"peer":"b ob","oneTime":true}'],
  ['a peer in upper case', '{"type":"get_bundle","id":1,"peer":"Bob","oneTime":true}'],
  [
    'a peer of 65 letters',
    `{"type":"get_bundle","id":1,"peer":"${'b'.repeat(65)}","oneTime":true}`,
  ],
  ['a textual flag', '{"type":"get_bundle","id":1,"peer":"bob","oneTime":"true"}'],
  ['a list of none', '{"type":"list","id":1,"max":0}'],
  ['a list with a path', '{"type":"list","id":1,"prefix":"../"}'],
  ['auth without anything', '{"type":"auth","id":1}'],
];

async function threeTimes(client: RawClient, text: string): Promise<string[]> {
  for (let times = 0; times < 3; times++) client.sendText(text);
  await client.closed();
  return client.all('error').map((error) => error.code);
}

/** What an outsider can see of the hub's state. */
async function stateSeenBy(hub: HubUnderTest, agent: TestAgent): Promise<unknown> {
  const client = await RawClient.authenticate(hub, agent.credentials());
  const names = await client.request({ type: 'list' });
  const bundle = await client.request({ type: 'get_bundle', peer: 'bob', oneTime: false });
  client.close();
  await hub.advance(1_000);
  return [names, bundle].map((frame) => ({ ...frame, re: 0 }));
}

/** Bad frames, before and after authentication. */
export function hubBadFrames(start: StartHub): void {
  describe('bad frames', () => {
    test(`${BAD_FRAMES.length} bad frames of a stranger are refused, the third closes`, () =>
      withHub(start, {}, async ({ hub, alice, bob, publish }) => {
        (await publish(bob, 3)).close();
        const before = await stateSeenBy(hub, alice);
        for (const [what, text] of BAD_FRAMES) {
          const client = await RawClient.connect(hub);
          const codes = await threeTimes(client, text);
          expect([what, codes.length, codes.every(isErrorCode)]).toEqual([what, 3, true]);
        }
        expect(await stateSeenBy(hub, alice)).toEqual(before);
      }));

    test(`${BAD_FRAMES.length} bad frames of an agent are refused, the third closes`, () =>
      withHub(start, {}, async ({ hub, alice, bob, carol, publish, join }) => {
        (await publish(bob, 3)).close();
        const before = await stateSeenBy(hub, alice);
        await (await join(alice)).request(sendTo(bob));
        for (const [what, text] of BAD_FRAMES) {
          const client = await join(carol);
          const codes = await threeTimes(client, text);
          expect([what, codes.length, codes.every(isErrorCode)]).toEqual([what, 3, true]);
          expect([what, codes]).not.toEqual([what, expect.arrayContaining(['STORAGE'])]);
        }
        expect(await stateSeenBy(hub, alice)).toEqual(before);
        const receiver = await join(bob);
        await receiver.next('deliver');
        await receiver.settle();
        expect(deliveredIds(receiver)).toEqual([]);
      }));

    test('two bad frames are forgiven, good ones between them do not reset the count', () =>
      withHub(start, {}, async ({ bob, join }) => {
        const client = await join(bob);
        for (const expected of ['pong', 'pong']) {
          client.sendText('{');
          expect((await client.next('error')).code).toBe('BAD_JSON');
          expect(await client.codeOf({ type: 'ping' })).toBe(expected);
        }
        client.sendText('{');
        await client.closed();
      }));

    test('a second auth is a bad frame', () =>
      withHub(start, {}, async ({ hub, bob }) => {
        const client = await RawClient.connect(hub);
        const { frame } = await client.auth(bob.credentials());
        client.send(frame);
        await client.next('auth_ok');
        client.send(frame);
        expect(await client.next('error')).toMatchObject({ code: 'BAD_AUTH', re: frame.id });
        expect(await client.codeOf({ type: 'ping' })).toBe('pong');
      }));
  });
}
