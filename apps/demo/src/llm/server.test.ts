import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import OpenAI from 'openai';
import { startLocalLlm } from './server.js';
import type { LocalLlm } from './server.js';

let llm: LocalLlm;
const good = {
  model: 'sentence-picker',
  messages: [{ role: 'user', content: 'The moon pulls the tides. It is round.' }],
};

beforeAll(async () => {
  llm = await startLocalLlm();
});
afterAll(() => llm.close());

function post(body: string | Uint8Array<ArrayBuffer>, change: Record<string, string> = {}) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${llm.apiKey}` };
  return fetch(`${llm.baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { ...headers, ...change },
    body,
  });
}

async function expectRefusal(response: Response, status: number, code: string) {
  const { error } = (await response.json()) as { error: Record<string, unknown> };
  expect([response.status, response.headers.get('content-type')]).toEqual([
    status,
    'application/json; charset=utf-8',
  ]);
  expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code']);
  expect(error).toMatchObject({ type: 'invalid_request_error', code });
  expect(error['message']).toMatch(/\w/);
}

describe('the door', () => {
  test.each([
    ['no JSON', 'what', 'invalid_json'],
    ['an empty body', '', 'invalid_json'],
    ['JSON cut short', JSON.stringify(good).slice(0, -1), 'invalid_json'],
    ['bytes that are not UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 'invalid_json'],
    ['deep nesting', '['.repeat(200_000), 'invalid_json'],
    ['an array', '[]', 'invalid_value'],
    ['null', 'null', 'invalid_value'],
    ['no messages', JSON.stringify({ ...good, messages: [] }), 'invalid_value'],
    ['no model', JSON.stringify({ messages: good.messages }), 'invalid_value'],
    ['a model that is a number', JSON.stringify({ ...good, model: 1 }), 'invalid_value'],
    [
      'an unknown role',
      JSON.stringify({ ...good, messages: [{ role: 'god', content: 'x' }] }),
      'invalid_value',
    ],
    [
      'content that is no text',
      JSON.stringify({ ...good, messages: [{ role: 'user', content: 7 }] }),
      'invalid_value',
    ],
    [
      'an image',
      JSON.stringify({
        ...good,
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }],
      }),
      'invalid_value',
    ],
    [
      'no message of the user',
      JSON.stringify({ ...good, messages: [{ role: 'system', content: 'x' }] }),
      'invalid_value',
    ],
    [
      'too many messages',
      JSON.stringify({ ...good, messages: Array(65).fill(good.messages[0]) }),
      'invalid_value',
    ],
    [
      'options of a stream without one',
      JSON.stringify({ ...good, stream_options: { include_usage: true } }),
      'invalid_value',
    ],
    ['two answers', JSON.stringify({ ...good, n: 2 }), 'invalid_value'],
    ['no words', JSON.stringify({ ...good, max_tokens: 0 }), 'invalid_value'],
    ['tools', JSON.stringify({ ...good, tools: [] }), 'unknown_parameter'],
  ])('refuses %s with 400', async (_what, body, code) => {
    await expectRefusal(await post(body), 400, code);
  });

  test('refuses another model with 404', async () => {
    await expectRefusal(
      await post(JSON.stringify({ ...good, model: 'x' })),
      404,
      'model_not_found',
    );
  });

  test('refuses a missing and a wrong key with 401', async () => {
    const body = JSON.stringify(good);
    for (const authorization of ['', 'Bearer', 'Bearer x', `Basic ${llm.apiKey}`]) {
      await expectRefusal(await post(body, { authorization }), 401, 'invalid_api_key');
    }
  });

  test('refuses another media type with 415', async () => {
    const response = await post(JSON.stringify(good), { 'content-type': 'text/plain' });
    await expectRefusal(response, 415, 'unsupported_media_type');
  });

  test('refuses a body over 1 MiB with 413', async () => {
    const body = JSON.stringify({ ...good, user: 'x'.repeat(1_048_576) });
    await expectRefusal(await post(body), 413, 'too_large');
  });

  test('refuses other methods with 405 and other paths with 404', async () => {
    const headers = { authorization: `Bearer ${llm.apiKey}` };
    const got = await fetch(`${llm.baseUrl}/chat/completions`, { headers });
    await expectRefusal(got, 405, 'method_not_allowed');
    const posted = await fetch(`${llm.baseUrl}/models`, { method: 'POST', headers });
    await expectRefusal(posted, 405, 'method_not_allowed');
    await expectRefusal(await fetch(`${llm.baseUrl}/x`, { headers }), 404, 'unknown_url');
  });

  test('what is no HTTP ends the connection and nothing else', async () => {
    const { port } = new URL(llm.baseUrl);
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write('\0\x01rubbish\r\n\r\n'),
      );
      let text = '';
      socket.on('data', (chunk) => (text += chunk.toString('latin1')));
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect((await post(JSON.stringify(good))).status).toBe(200);
  });
});

describe('through the official client', () => {
  const clientOf = (apiKey = llm.apiKey) =>
    new OpenAI({ baseURL: llm.baseUrl, apiKey, maxRetries: 0 });

  test('a completion is answered from the prompt, the same each time', async () => {
    const request = {
      model: llm.model,
      temperature: 0,
      messages: [
        { role: 'system', content: 'List one fact as a bullet.' },
        { role: 'user', content: [{ type: 'text', text: 'The moon pulls the tides. Moon.' }] },
      ],
    } satisfies OpenAI.Chat.ChatCompletionCreateParamsNonStreaming;
    const first = await clientOf().chat.completions.create(request);
    const second = await clientOf().chat.completions.create(request);
    expect(first.choices[0]?.message.content).toBe('- Moon.');
    expect(first.choices[0]?.finish_reason).toBe('stop');
    expect(first.usage).toEqual({ prompt_tokens: 12, completion_tokens: 1, total_tokens: 13 });
    expect([second.id, second.choices]).toEqual([first.id, first.choices]);
  });

  test('an answer ends at the limit that was asked for', async () => {
    const { choices } = await clientOf().chat.completions.create({
      model: llm.model,
      max_completion_tokens: 2,
      messages: [{ role: 'user', content: 'The moon pulls the tides.' }],
    });
    expect(choices[0]).toMatchObject({ message: { content: 'The moon' }, finish_reason: 'length' });
  });

  test('a streamed answer is the same one, word by word, with its end', async () => {
    const request = { model: llm.model, messages: good.messages, stream: true } as never;
    const options = { stream_options: { include_usage: true } };
    const whole = await clientOf().chat.completions.create({
      model: llm.model,
      messages: [{ role: 'user', content: good.messages[0]?.content ?? '' }],
    });
    const answer = await clientOf().chat.completions.create({
      ...(request as OpenAI.Chat.ChatCompletionCreateParamsStreaming),
      ...options,
    });
    const pieces: string[] = [];
    const finishes: (string | null)[] = [];
    let usage: unknown;
    for await (const chunk of answer) {
      const [choice] = chunk.choices;
      if (choice !== undefined) finishes.push(choice.finish_reason);
      if (choice?.delta.content) pieces.push(choice.delta.content);
      usage = chunk.usage ?? usage;
    }
    expect(pieces).toEqual(['The', ' moon', ' pulls', ' the', ' tides.', ' It', ' is', ' round.']);
    expect(pieces.join('')).toBe(whole.choices[0]?.message.content);
    expect(finishes.at(-1)).toBe('stop');
    expect(finishes.slice(0, -1).every((finish) => finish === null)).toBe(true);
    expect(usage).toEqual(whole.usage);
  });

  test('a streamed answer ends at the limit that was asked for', async () => {
    const answer = await clientOf().chat.completions.create({
      model: llm.model,
      max_completion_tokens: 1,
      stream: true,
      messages: [{ role: 'user', content: 'The moon pulls the tides.' }],
    });
    const chunks = [];
    for await (const { choices } of answer) chunks.push(choices[0]);
    expect(chunks.map((chunk) => chunk?.delta.content ?? '').join('')).toBe('The');
    expect(chunks.at(-1)?.finish_reason).toBe('length');
  });

  test('models are listed', async () => {
    const models = await clientOf().models.list();
    expect(models.data.map(({ id }) => id)).toEqual([llm.model]);
  });

  test('a refusal arrives as the error of the client', async () => {
    await expect(
      clientOf('wrong').chat.completions.create({
        model: llm.model,
        messages: [{ role: 'user', content: 'x' }],
      }),
    ).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
  });
});

test('a closed server accepts nothing any more, and waits for no half-sent request', async () => {
  const other = await startLocalLlm();
  const socket = connect(Number(new URL(other.baseUrl).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n');
  socket.on('error', () => undefined);
  await fetch(`${other.baseUrl}/models`);
  const closed = once(socket, 'close');
  await other.close();
  await closed;
  await expect(fetch(`${other.baseUrl}/models`)).rejects.toThrow('fetch failed');
});
