/**
 * A local HTTP server that speaks the chat completions API, so that the example runs without an
 * account. Owns HTTP: paths, methods, key, sizes, time limits. It listens on 127.0.0.1 only, on a
 * free port, and is answered for by `stand-in`.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiRefusal, parseChatRequest } from './chat-request.js';
import type { ChatRequest } from './chat-request.js';
import { countWords } from './extract.js';
import { answerTo } from './stand-in.js';

/** What it needs to answer. */
interface Desk {
  readonly apiKey: string;
  /** Between two words of a streamed answer. */
  readonly msPerWord: number;
}

/** A running server. */
export interface LocalLlm {
  /** `http://127.0.0.1:<port>/v1` */
  readonly baseUrl: string;
  /** Drawn for this server; requests with another key are refused. */
  readonly apiKey: string;
  readonly model: string;
  close(): Promise<void>;
}

const MODEL = 'sentence-picker';
const MAX_BODY_BYTES = 1_048_576;
const MAX_DRAINED_BYTES = 8 * MAX_BODY_BYTES;

/** Starts the server; the caller closes it. `msPerWord`: how fast a streamed answer comes. */
export async function startLocalLlm({ msPerWord = 0 } = {}): Promise<LocalLlm> {
  const apiKey = randomBytes(16).toString('hex');
  const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    void handle(request, response, { apiKey, msPerWord });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}/v1`;
  return { baseUrl, apiKey, model: MODEL, close: () => closeServer(server) };
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { apiKey, msPerWord }: Desk,
): Promise<void> {
  try {
    const asked = await route(request, apiKey);
    if (!('messages' in asked)) reply(response, 200, asked);
    else if (asked.stream.isWanted) await streamCompletion(response, asked, msPerWord);
    else reply(response, 200, completion(asked));
  } catch (error) {
    const refusal =
      error instanceof ApiRefusal ? error : new ApiRefusal(500, 'internal', 'Internal error');
    // What is left of a refused request is not read: the connection ends with the answer.
    response.setHeader('connection', 'close');
    reply(response, refusal.status, refusal.toBody());
  }
}

function reply(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}

/** What is asked for: a completion, or what the list of models says. */
async function route(request: IncomingMessage, apiKey: string): Promise<ChatRequest | object> {
  const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1');
  assertKey(request.headers.authorization, apiKey);
  if (pathname === '/v1/models') {
    assertMethod(request, 'GET');
    return { object: 'list', data: [{ id: MODEL, object: 'model', created: 0, owned_by: 'demo' }] };
  }
  if (pathname !== '/v1/chat/completions') {
    throw new ApiRefusal(404, 'unknown_url', 'There is nothing at this path');
  }
  assertMethod(request, 'POST');
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new ApiRefusal(415, 'unsupported_media_type', 'The body must be application/json');
  }
  const asked = parseChatRequest(await readBody(request));
  if (asked.model === MODEL) return asked;
  throw new ApiRefusal(404, 'model_not_found', `The only model here is ${MODEL}`, 'model');
}

function assertMethod(request: IncomingMessage, method: string): void {
  if (request.method === method) return;
  throw new ApiRefusal(405, 'method_not_allowed', `Only ${method} is allowed here`);
}

function assertKey(authorization: string | undefined, apiKey: string): void {
  const given = digest(authorization ?? '');
  if (timingSafeEqual(given, digest(`Bearer ${apiKey}`))) return;
  throw new ApiRefusal(401, 'invalid_api_key', 'The API key is missing or not the right one');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** The whole body. One that is too large is read on for a while: so the refusal gets through. */
async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += (chunk as Uint8Array).length;
    if (length <= MAX_BODY_BYTES) chunks.push(chunk as Uint8Array);
    else chunks.length = 0;
    if (length > MAX_DRAINED_BYTES) break;
  }
  if (length <= MAX_BODY_BYTES) return Buffer.concat(chunks);
  throw new ApiRefusal(413, 'too_large', `The body is over ${MAX_BODY_BYTES} bytes`);
}

/** An answer; its id is derived from the request: equal requests are answered equally. */
function answerOf(request: ChatRequest) {
  const whole = wordsOf(answerTo(request.messages));
  const words = whole.slice(0, request.maxWords);
  const prompt = countWords(request.messages.map((message) => message.content).join('\n'));
  const answer = countWords(words.join(''));
  return {
    common: {
      id: `chatcmpl-${digest(JSON.stringify(request)).toString('hex').slice(0, 24)}`,
      created: Math.floor(Date.now() / 1000),
      model: MODEL,
    },
    words,
    finish: words.length === whole.length ? 'stop' : 'length',
    usage: { prompt_tokens: prompt, completion_tokens: answer, total_tokens: prompt + answer },
  };
}

/** The answer as a whole. */
function completion(request: ChatRequest): object {
  const { common, words, finish, usage } = answerOf(request);
  const message = { role: 'assistant', content: words.join(''), refusal: null };
  const choice = { index: 0, message, logprobs: null, finish_reason: finish };
  return { ...common, object: 'chat.completion', choices: [choice], usage };
}

/** The answer word by word, as server-sent events; ends early where nobody reads it any more. */
async function streamCompletion(
  response: ServerResponse,
  request: ChatRequest,
  msPerWord: number,
): Promise<void> {
  const { common, words, finish, usage } = answerOf(request);
  const { withUsage } = request.stream;
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  const event = (rest: object): void => {
    const chunk = { ...common, object: 'chat.completion.chunk', ...rest };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  const choice = (delta: object, finish_reason: string | null = null): void =>
    event({
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...(withUsage ? { usage: null } : {}),
    });
  choice({ role: 'assistant', content: '' });
  for (const content of words) {
    await sleep(msPerWord, undefined, { signal: gone.signal }).catch(() => undefined);
    if (gone.signal.aborted) return;
    choice({ content });
  }
  choice({}, finish);
  if (withUsage) event({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}

/** A text in words, each with the white space before it. */
function wordsOf(text: string): string[] {
  return text.split(/(?<=\S)(?=\s)/);
}
