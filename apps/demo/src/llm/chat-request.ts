/**
 * The door of the local stand-in: what it accepts as a chat completion request, and the errors of
 * the API's shape for all else. Owns shapes and bounds; HTTP is `server`'s, answers `stand-in`'s.
 */
import * as z from 'zod';
import type { ChatMessage } from './stand-in.js';

/** What the server tells a client instead of an answer. */
export class ApiRefusal extends Error {
  readonly status: number;
  readonly code: string;
  /** Path of the offending field, where there is one. */
  readonly param: string | null;

  constructor(status: number, code: string, message: string, param: string | null = null) {
    super(message);
    this.name = 'ApiRefusal';
    this.status = status;
    this.code = code;
    this.param = param;
  }

  /** The body of the response, as clients of the API expect it. */
  toBody() {
    const type = this.status < 500 ? 'invalid_request_error' : 'server_error';
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}

/** A request that passed. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  /** Words that the answer may have; tokens and words are the same thing here. */
  readonly maxWords: number;
  /** Whether the answer is wanted word by word; with the number of words at its end or not. */
  readonly stream: { readonly isWanted: boolean; readonly withUsage: boolean };
}

const MAX_MESSAGES = 64;
const MAX_CHARACTERS = 200_000;
const MAX_WORDS = 4096;

const text = z.string().max(MAX_CHARACTERS);
const parts = z.array(z.strictObject({ type: z.literal('text'), text })).min(1);
const message = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([text, parts], { error: 'expected a text, or parts of type text' }),
  name: z.string().optional(),
});
const limit = z.int().min(1).max(MAX_WORDS).nullish();
const request = z.strictObject({
  model: z.string().min(1).max(200),
  messages: z.array(message).min(1).max(MAX_MESSAGES),
  max_tokens: limit,
  max_completion_tokens: limit,
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  user: z.string().optional(),
  n: z.literal(1, { error: 'only 1 is supported' }).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
});

/** Reads the body of a request; throws {@link ApiRefusal}. */
export function parseChatRequest(body: Uint8Array): ChatRequest {
  const result = request.safeParse(parseJson(body));
  if (!result.success) throw refusalOf(result.error.issues);
  const { model, messages, stream, stream_options: options } = result.data;
  if (!messages.some(({ role }) => role === 'user')) {
    throw new ApiRefusal(400, 'invalid_value', 'messages: no message of the user', 'messages');
  }
  if (stream !== true && (options ?? null) !== null) {
    throw new ApiRefusal(
      400,
      'invalid_value',
      'stream_options: only with stream',
      'stream_options',
    );
  }
  const maxWords = result.data.max_completion_tokens ?? result.data.max_tokens ?? MAX_WORDS;
  const streaming = { isWanted: stream === true, withUsage: options?.include_usage === true };
  return { model, maxWords, messages: messages.map(flat), stream: streaming };
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new ApiRefusal(400, 'invalid_json', 'The body is not valid JSON in UTF-8');
  }
}

function flat({ role, content }: z.output<typeof message>): ChatMessage {
  if (typeof content === 'string') return { role, content };
  return { role, content: content.map((part) => part.text).join('\n') };
}

/** The first issue decides; a field that this server does not know is named. */
function refusalOf(issues: readonly z.core.$ZodIssue[]): ApiRefusal {
  const [issue] = issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...(issue?.path ?? []), ...unknown].map(String).join('.').slice(0, 100);
  const code = unknown.length > 0 ? 'unknown_parameter' : 'invalid_value';
  const what = unknown.length > 0 ? 'is not supported' : (issue?.message ?? 'is not valid');
  const place = path === '' ? 'body' : path;
  return new ApiRefusal(400, code, `${place}: ${what}`, path === '' ? null : path);
}
