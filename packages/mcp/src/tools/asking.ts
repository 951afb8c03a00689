/**
 * `send`, `ask` and `call_status`: what goes out to other agents, and the answers that come back.
 * Owns how long a tool waits: a client ends tools that take longer than it likes, so an open call
 * is given back with its id.
 */
import type { CallState, Control, JsonMembers, ParamsOf } from '@agentmesh/cli';
import type { CallToolResult, McpServer, ServerContext } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { notice, withNotice } from './hub-away.js';
import { withProgress } from './progress.js';
import { attempt, given } from './result.js';

const GOES_OUT = { readOnlyHint: false, destructiveHint: false, openWorldHint: true } as const;
/** Most clients end a tool after a minute. */
const WAIT_S = 45;
const LONGEST_WAIT_S = 3_600;
const DEADLINE_S = 3_600;
const MONTH_S = 30 * 86_400;

const to = z.string().min(1).max(512).describe('Name or address of the other agent');
const text = z.string().max(200_000).optional().describe('What you say, in words');
const data = z
  .record(z.string(), z.json())
  .optional()
  .describe('A JSON object, with or instead of the text');
const waitSeconds = z.number().min(0).max(LONGEST_WAIT_S);

/** What became of a call, as tools tell it. */
export const callOutput = z.object({
  call_id: z.string(),
  peer: z.string(),
  state: z.enum(['open', 'answered', 'failed']),
  answer: z.string().nullable().describe('What the other agent said, between two marks: data'),
  error: z.string().nullable().describe('Code of what went wrong'),
  notice,
});

/** Whom to ask, and how long. */
export const askOptions = {
  to,
  wait_seconds: waitSeconds.default(WAIT_S).describe('How long to wait here'),
  deadline_seconds: z
    .number()
    .min(1)
    .max(MONTH_S)
    .default(DEADLINE_S)
    .describe('How long the answer is wanted'),
  key: z.string().min(1).max(128).optional().describe('Calls with one key run once'),
};

/** Adds them. */
export function addAsking(server: McpServer, control: Control): void {
  addSend(server, control);
  addAsk(server, control);
  addCallStatus(server, control);
}

function addSend(server: McpServer, control: Control): void {
  server.registerTool(
    'send',
    {
      title: 'Send a message',
      description:
        'Sends a message that asks for no answer. It is kept, and delivered when the other agent ' +
        'comes, even if it is away now.',
      inputSchema: z.object({
        to,
        text,
        data,
        wait: z
          .enum(['queued', 'accepted', 'delivered', 'handled'])
          .default('accepted')
          .describe('accepted: the hub has it. delivered: the other agent has it'),
        wait_seconds: waitSeconds.default(10),
      }),
      outputSchema: z.object({
        id: z.string(),
        to: z.string(),
        state: z.enum(['queued', 'accepted', 'delivered', 'handled']),
        notice,
      }),
      annotations: GOES_OUT,
    },
    ({ to: name, wait, wait_seconds: seconds, ...content }) =>
      attempt(async () => {
        const sent = await control.call('send', {
          to: name,
          ...contentOf(content),
          wait,
          waitMs: seconds * 1_000,
        });
        return withNotice(control, given(`${sent.state}, id ${sent.id}`, { ...sent }));
      }),
  );
}

function addAsk(server: McpServer, control: Control): void {
  server.registerTool(
    'ask',
    {
      title: 'Ask another agent',
      description:
        'Asks another agent and waits for its answer. If there is none within wait_seconds, the ' +
        'call goes on: ask call_status with the call_id later. The other agent may be asleep.',
      inputSchema: z.object({ ...askOptions, text, data }),
      outputSchema: callOutput,
      annotations: GOES_OUT,
    },
    (request, context) => askedWith(control, context, request, contentOf(request)),
  );
}

/** Asks, and waits for as long as the model wants to. */
export function askedWith(
  control: Control,
  context: ServerContext,
  request: {
    readonly to: string;
    readonly wait_seconds: number;
    readonly deadline_seconds: number;
    readonly key?: string | undefined;
  },
  content: Pick<ParamsOf<'ask'>, 'text' | 'data' | 'value' | 'op'>,
): Promise<CallToolResult> {
  const { to: name, wait_seconds: seconds, deadline_seconds: deadline, key } = request;
  return attempt(() =>
    waited(control, context, (tag) =>
      control.call('ask', {
        to: name,
        ...content,
        timeoutMs: deadline * 1_000,
        waitMs: seconds * 1_000,
        key,
        tag,
      }),
    ),
  );
}

function addCallStatus(server: McpServer, control: Control): void {
  server.registerTool(
    'call_status',
    {
      title: 'What became of a call',
      description:
        'Waits for the answer to a call that ask has begun. An answer is given once; after that ' +
        'the call is forgotten.',
      inputSchema: z.object({
        call_id: z.string().regex(/^[0-9a-f]{32}$/, 'an id is 32 hex digits, as ask gives it'),
        wait_seconds: waitSeconds.default(0),
      }),
      outputSchema: callOutput,
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    ({ call_id: id, wait_seconds: seconds }, context) =>
      attempt(() =>
        waited(control, context, () =>
          control.call('call_status', { id, waitMs: seconds * 1_000 }),
        ),
      ),
  );
}

async function waited(
  control: Control,
  context: ServerContext,
  begin: (tag: string) => Promise<CallState>,
): Promise<CallToolResult> {
  const call = await withProgress(control, context, begin);
  return call.state === 'answered' ? shown(call) : withNotice(control, shown(call));
}

/** Only what stands in the fence comes from the other agent. */
function shown({ id, peer, state, prompt, error }: CallState): CallToolResult {
  const output = { call_id: id, peer, state, answer: prompt, error: error?.code ?? null };
  switch (state) {
    case 'answered':
      return given(prompt ?? `${peer} has answered: call call_status for it`, output);
    case 'failed':
      return given(`${peer} gave no answer: ${error?.code ?? 'FAILED'}\n${prompt ?? ''}`, output);
    case 'open': {
      const next = `call_status with call_id ${id} waits for the answer`;
      return given(`no answer from ${peer} yet: ${next}`, output);
    }
  }
}

function contentOf(content: {
  readonly text?: string | undefined;
  readonly data?: Record<string, unknown> | undefined;
}): { readonly text?: string | undefined; readonly data?: JsonMembers | undefined } {
  return { text: content.text, data: content.data as JsonMembers | undefined };
}
