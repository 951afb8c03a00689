/**
 * The agent with the language model under what endpoints do: they refuse, break off, and go on for
 * as long as somebody reads.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { Agent, LocalHub } from 'agentmesh';
import OpenAI from 'openai';
import { chat, serveChat } from '../src/llm/chat.js';

const servers: Server[] = [];
const agents: Agent[] = [];

afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.close();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

/** Asks an agent whose model is an endpoint that does as `respond` says. */
async function completeAt(respond: (response: ServerResponse) => void) {
  const server = createServer((request, response) => {
    request.resume().on('end', () => respond(response));
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new OpenAI({
    apiKey: 'none',
    baseURL: `http://127.0.0.1:${port}/v1`,
    maxRetries: 0,
  });
  const hub = new LocalHub();
  const llm = await Agent.create('llm', { hub });
  const desk = await Agent.create('desk', { hub });
  agents.push(desk, llm);
  serveChat(llm, { client, name: 'any' });
  return desk.peer('llm', chat).complete({ instruction: 'Write.', material: 'x' });
}

function word(response: ServerResponse, content: string, finish_reason: string | null = null) {
  const choices = [{ index: 0, delta: { content }, finish_reason }];
  response.write(`data: ${JSON.stringify({ object: 'chat.completion.chunk', choices })}\n\n`);
}

const events = { 'content-type': 'text/event-stream' };

test('chunks arrive before the model has ended, and the result says how it ended', async () => {
  const ending = Promise.withResolvers<void>();
  const answer = await completeAt((response) => {
    response.writeHead(200, events);
    word(response, 'one');
    void ending.promise.then(() => {
      word(response, ' two', 'stop');
      response.end('data: [DONE]\n\n');
    });
  });
  const chunks: string[] = [];
  for await (const chunk of answer) {
    chunks.push(chunk);
    ending.resolve();
  }
  expect(chunks).toEqual(['one', ' two']);
  expect(await answer.result).toEqual({ model: 'any', finish: 'stop' });
});

test('who leaves the loop stops the model', async () => {
  const stopped = Promise.withResolvers<void>();
  const answer = await completeAt((response) => {
    response.writeHead(200, events);
    response.on('close', () => stopped.resolve());
    word(response, 'for ever');
  });
  for await (const chunk of answer) {
    expect(chunk).toBe('for ever');
    break;
  }
  await stopped.promise;
});

test('an answer that breaks off is an error, not a short answer', async () => {
  const answer = await completeAt((response) => {
    response.writeHead(200, events);
    word(response, 'half of');
    response.end();
  });
  const chunks: string[] = [];
  const read = async () => {
    for await (const chunk of answer) chunks.push(chunk);
  };
  await expect(read()).rejects.toMatchObject({ code: 'MODEL_FAILED', data: { status: null } });
  expect(chunks).toEqual(['half of']);
});

test('a refusal of the endpoint arrives with its status', async () => {
  const answer = await completeAt((response) => {
    response.writeHead(429, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ error: { message: 'slow down' } }));
  });
  const read = async () => {
    for await (const chunk of answer) expect(chunk).toBe('nothing comes');
  };
  await expect(read()).rejects.toMatchObject({
    code: 'MODEL_FAILED',
    data: { status: 429 },
    detail: '429 slow down',
  });
});
