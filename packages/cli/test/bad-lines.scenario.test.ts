/**
 * The socket of an agent against programs that do not speak its protocol.
 */
import { connect } from 'node:net';
import { describe, expect, jest, test } from '@jest/globals';
import { expectNothingLost, socketOf, waitingMail } from './bad-input.js';
import { CommandWorld, until } from './command-world.js';

jest.setTimeout(120_000);

describe('whoever speaks no JSON-RPC to the socket', () => {
  /** What comes back for these lines; the connection stays. */
  async function answersTo(path: string, lines: readonly string[], count: number) {
    const socket = connect(path);
    let said = '';
    socket.on('data', (bytes: Buffer) => (said += bytes.toString()));
    socket.write(lines.map((line) => `${line}\n`).join(''));
    const all = (): string[] => said.split('\n').filter((line) => line !== '');
    await until(() => all().length >= count);
    socket.destroy();
    return all().map((line) => JSON.parse(line) as Record<string, never>);
  }

  const HELLO = JSON.stringify({
    jsonrpc: '2.0',
    id: 'h',
    method: 'hello',
    params: { protocol: 1, version: '0.1.0', client: 'test' },
  });

  test('is told what is wrong with each line, and goes on', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await waitingMail(world);
    await bob.up();
    const path = socketOf(bob);
    const early = '{"jsonrpc":"2.0","id":1,"method":"whoami"}';
    const cases: readonly (readonly [string, number])[] = [
      [early, -32_602],
      ['{', -32_700],
      ['[]', -32_600],
      ['1', -32_600],
      ['{"jsonrpc":"1.0","id":2,"method":"whoami"}', -32_600],
      ['{"jsonrpc":"2.0","id":{},"method":"whoami"}', -32_600],
      ['{"jsonrpc":"2.0","id":3,"method":"nope"}', -32_601],
      ['{"jsonrpc":"2.0","id":4,"method":"toString"}', -32_601],
    ];
    for (const [line, code] of cases) {
      const [answer] = await answersTo(path, [line], 1);
      expect({ line, code: answer?.['error']?.['code'] }).toEqual({ line, code });
    }
    const lines = [
      HELLO,
      '{"jsonrpc":"2.0","id":5,"method":"send","params":{"to":1}}',
      '{"jsonrpc":"2.0","id":6,"method":"send","params":[1]}',
      '{"jsonrpc":"2.0","id":7,"method":"inbox","params":{"max":-1}}',
      '{"jsonrpc":"2.0","id":8,"method":"inbox","params":{"other":1}}',
      'nonsense',
      '{"jsonrpc":"2.0","method":"whoami"}',
      '{"jsonrpc":"2.0","id":9,"method":"whoami"}',
    ];
    const answers = await answersTo(path, lines, 7);
    const codes = [5, 6, 7, 8].map(
      (id) => answers.find((one) => one['id'] === id)?.['error']?.['code'],
    );
    expect(codes).toEqual([-32_602, -32_602, -32_602, -32_602]);
    expect(answers.find((one) => one['id'] === 9)?.['result']).toMatchObject({ name: 'bob' });
    await expectNothingLost(bob);
  });

  test('at most ends its own connection, by a line without end', async () => {
    await using world = await CommandWorld.create();
    const { bob } = await waitingMail(world);
    await bob.up();
    const socket = connect(socketOf(bob));
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => void socket.once('close', resolve));
    const part = 'x'.repeat(1024 * 1024);
    for (let n = 0; n < 9; n++) socket.write(part);
    await closed;
    expect(await bob.run(['whoami'])).toMatchObject({ status: 0 });
    await expectNothingLost(bob);
  });
});
