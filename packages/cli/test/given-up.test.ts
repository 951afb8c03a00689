/**
 * A message that is given up while it is being committed: either it is taken back, and nothing was
 * sent, or its sender learns that it may arrive.
 */
import { describe, expect, test } from '@jest/globals';
import { AgentError } from '@agentmesh/agent';
import type { Agent, SendOptions } from '@agentmesh/agent';
import { sendingMethods } from '../src/control/methods/sending.js';
import type { Hold } from '../src/control/hold.js';

const ID = '0'.repeat(32);

/** Sends through an agent that commits only once it was given up, and then ends like this. */
async function givenUp(end: AgentError | null): Promise<unknown> {
  const begun = Promise.withResolvers<SendOptions>();
  const ended = Promise.withResolvers<void>();
  const send = (_to: string, _content: unknown, options: SendOptions): Promise<void> => {
    begun.resolve(options);
    return ended.promise;
  };
  const { send: sending } = sendingMethods({ agent: { send } as unknown as Agent } as Hold);
  const gone = new AbortController();
  const visitor = { gone: gone.signal, signal: gone.signal, tell: () => undefined };
  const sent = Promise.resolve(sending({ to: 'bob', text: 'late' }, visitor));
  const { signal, onStored } = await begun.promise;
  signal?.addEventListener('abort', () => {
    onStored?.(ID);
    if (end === null) ended.resolve();
    else ended.reject(end);
  });
  gone.abort();
  return sent;
}

describe('a message given up in the middle of its commit', () => {
  test('was not sent where it is taken back', async () => {
    await expect(givenUp(new AgentError('CANCELLED'))).rejects.toMatchObject({ code: 'NOT_KEPT' });
  });

  test('is queued where it may be with the hub already: it may arrive', async () => {
    const end = new AgentError('CANCELLED', `message ${ID} may still arrive`);
    expect(await givenUp(end)).toEqual({ id: ID, to: 'bob', state: 'queued' });
  });

  test('counts where the hub has it all the same', async () => {
    expect(await givenUp(null)).toMatchObject({ id: ID, to: 'bob' });
  });
});
