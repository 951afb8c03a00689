/**
 * What an operator gets to see of trouble: a hub without room is not ready and says so, and whoever
 * is not let in leaves a line without a secret in it.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import { MemoryHubStore } from '@agentmesh/hub-local';
import { ready } from '@agentmesh/protocol';
import { NetworkHubServer } from '../src/index.js';
import { join, newAgent, until, withServer } from './test-clients.js';

beforeAll(() => ready());

class Lines {
  readonly all: { fields: Record<string, unknown>; message: string }[] = [];
  readonly info = (fields: object, message: string) => this.#add(fields, message);
  readonly warn = this.info;
  readonly error = this.info;

  #add(fields: object, message: string): void {
    this.all.push({ fields: { ...fields }, message });
  }

  find(beginning: string) {
    return this.all.find(({ message }) => message.startsWith(beginning));
  }
}

describe('a hub without room for envelopes', () => {
  class FullStore extends MemoryHubStore {
    isFull = false;
  }

  test('turns /readyz red and logs it, and is ready again when there is room', async () => {
    const store = new FullStore();
    const logger = new Lines();
    const server = new NetworkHubServer({ store, port: 0, logger });
    await server.start();
    const statusOf = async (path: string): Promise<number> =>
      (await fetch(`http://127.0.0.1:${server.port}${path}`)).status;
    expect(await statusOf('/readyz')).toBe(200);
    store.isFull = true;
    expect([await statusOf('/readyz'), await statusOf('/healthz')]).toEqual([503, 200]);
    await until(() => logger.find('no room left') !== undefined);
    store.isFull = false;
    expect(await statusOf('/readyz')).toBe(200);
    await until(() => logger.find('there is room again') !== undefined);
    await server.stop();
  });
});

describe('whoever is not let in leaves a line', () => {
  test('a wrong token and a taken name, with the address and without name or token', async () => {
    const logger = new Lines();
    const token = 'the-right-token';
    await withServer(
      { logger, registration: { mode: 'token', tokens: [token] } },
      async (server) => {
        const withToken = (name: string, shown: string) => {
          const agent = newAgent(name);
          const credentials = agent.credentials.bind(agent);
          agent.credentials = () => credentials({ token: shown });
          return join(server.port, agent);
        };
        await withToken('first-holder', token);
        await expect(withToken('newcomer', 'a-wrong-token')).rejects.toMatchObject({
          code: 'REGISTRATION_REFUSED',
        });
        await expect(withToken('first-holder', token)).rejects.toMatchObject({
          code: 'NAME_TAKEN',
        });
      },
    );
    expect(logger.find('registration refused')?.fields).toMatchObject({
      code: 'REGISTRATION_REFUSED',
      remote: '127.0.0.1',
    });
    expect(logger.find('name refused')?.fields).toMatchObject({ code: 'NAME_TAKEN' });
    const everything = JSON.stringify(logger.all);
    for (const secret of [token, 'a-wrong-token', 'newcomer', 'first-holder']) {
      expect(everything).not.toContain(secret);
    }
  });

  test('a thousand refusals are one line, and the next line says how many had none', async () => {
    const { AdmissionLog } = await import('../src/admission-log.js');
    const { ProtocolError } = await import('@agentmesh/protocol');
    const logger = new Lines();
    let nowMs = 0;
    const log = new AdmissionLog(logger, () => nowMs);
    const error = new ProtocolError('NAME_TAKEN');
    for (let n = 0; n < 1_000; n++) log.refused(error, '192.0.2.7');
    // Refusals of agents that were let in are no business of this log.
    log.refused(error, undefined);
    expect(logger.all).toHaveLength(1);
    nowMs = 10_000;
    log.refused(error, null);
    expect(logger.all.at(-1)?.fields).toMatchObject({ sinceLastLine: 999 });
  });
});
