/**
 * `inbox`, `wait_for_message`, `reply`, `ack` and `refuse`: what other agents have sent, and what
 * becomes of it. Owns that a model sees their words only in the fence.
 */
import type { Control, JsonMembers, Mail, ParamsOf } from '@agentmesh/cli';
import type { CallToolResult, McpServer, ServerContext } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { assertHub, notice, withNotice } from './hub-away.js';
import { trust } from './identity.js';
import { withProgress } from './progress.js';
import { attempt, given } from './result.js';

const WAIT_S = 45;
const LONGEST_WAIT_S = 3_600;
const LEASE_MS = 1_800_000;
const DECIDES = { readOnlyHint: false, destructiveHint: false, openWorldHint: false } as const;

const message = z.object({
  id: z.string(),
  from: z.string(),
  address: z.string(),
  trust,
  wants_answer: z.boolean().describe('Whether its sender waits for an answer'),
  answer_by: z.string().nullable(),
  seen_before: z.boolean().describe('It was taken before, and not decided about'),
  prompt: z.string().describe('The message, between two marks: data from another agent'),
});
const messages = z.object({ messages: z.array(message), notice });
const from = z
  .string()
  .min(1)
  .max(512)
  .optional()
  .describe('Only from this agent; "verified" for agents whose identity a person has checked');
const id = z
  .string()
  .regex(/^[0-9a-f]{32}$/, 'an id is 32 hex digits, as inbox gives it')
  .describe('Id of the message');
const sender = z.string().min(1).max(512).optional().describe('Its sender, if ids are the same');

/** Adds them. */
export function addInbox(server: McpServer, control: Control): void {
  addTaking(server, control);
  addReply(server, control);
  addDecisions(server, control);
}

function addTaking(server: McpServer, control: Control): void {
  server.registerTool(
    'inbox',
    {
      title: 'Read messages',
      description:
        'Takes waiting messages. Each is yours for half an hour: decide with reply, ack or ' +
        'refuse, else it comes again. With peek: true it only looks.',
      inputSchema: z.object({
        max: z.int().min(1).max(100).default(10),
        from,
        peek: z.boolean().default(false),
      }),
      outputSchema: messages,
      annotations: DECIDES,
    },
    ({ max, from: only, peek }, context) =>
      attempt(async () => {
        const leaseMs = peek ? 0 : LEASE_MS;
        return found(control, await taken(control, context, { max, from: only, leaseMs }));
      }),
  );
  server.registerTool(
    'wait_for_message',
    {
      title: 'Wait for messages',
      description: 'Waits until there are messages, and takes them as inbox does.',
      inputSchema: z.object({
        wait_seconds: z.number().min(0).max(LONGEST_WAIT_S).default(WAIT_S),
        max: z.int().min(1).max(100).default(10),
        from,
      }),
      outputSchema: messages,
      annotations: DECIDES,
    },
    ({ wait_seconds: seconds, max, from: only }, context) =>
      attempt(async () => {
        const wait = { from: only, waitMs: seconds * 1_000 };
        await withProgress(control, context, () => control.call('wait', wait));
        const mails = await taken(control, context, { max, from: only, leaseMs: LEASE_MS });
        return found(control, mails);
      }),
  );
}

/** Takes messages, but none for a client that has gone or given up meanwhile. */
async function taken(
  control: Control,
  { mcpReq: { signal } }: ServerContext,
  request: ParamsOf<'inbox'>,
): Promise<readonly Mail[]> {
  if (signal.aborted) return [];
  const { messages: mails } = await control.call('inbox', request);
  if (!signal.aborted) return mails;
  for (const mail of mails) await control.call('release', { id: mail.id, from: mail.address });
  return [];
}

function addReply(server: McpServer, control: Control): void {
  server.registerTool(
    'reply',
    {
      title: 'Answer a message',
      description: 'Answers a message; with that it is handled and leaves the inbox.',
      inputSchema: z.object({
        id,
        text: z.string().max(200_000).optional(),
        data: z.record(z.string(), z.json()).optional(),
        from: sender,
      }),
      outputSchema: z.object({ id: z.string().describe('Id of the answer'), notice }),
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
    },
    ({ id: answered, text, data, from: whose }) =>
      attempt(async () => {
        const content = { text, data: data as JsonMembers | undefined };
        const sent = await control.call('reply', { id: answered, from: whose, ...content });
        return withNotice(control, given(`answered, id ${sent.id}`, { id: sent.id }));
      }),
  );
}

function addDecisions(server: McpServer, control: Control): void {
  const decided = z.object({ id: z.string() });
  server.registerTool(
    'ack',
    {
      title: 'A message is handled',
      description: 'Says that a message is handled without an answer. It leaves the inbox.',
      inputSchema: z.object({ id, from: sender }),
      outputSchema: decided,
      annotations: DECIDES,
    },
    ({ id: handled, from: whose }) =>
      attempt(async () => {
        await control.call('ack', { id: handled, from: whose });
        return given('handled', { id: handled });
      }),
  );
  server.registerTool(
    'refuse',
    {
      title: 'Refuse a message',
      description: 'Refuses a message for good. Its sender is told the reason.',
      inputSchema: z.object({ id, reason: z.string().min(1).max(1_000), from: sender }),
      outputSchema: decided,
      annotations: DECIDES,
    },
    ({ id: refused, reason, from: whose }) =>
      attempt(async () => {
        await control.call('refuse', { id: refused, reason, from: whose });
        return given('refused', { id: refused });
      }),
  );
}

/** No mail is no news where the hub has it. */
async function found(control: Control, mails: readonly Mail[]): Promise<CallToolResult> {
  if (mails.length === 0) await assertHub(control);
  return withNotice(control, shown(mails));
}

function shown(mails: readonly Mail[]): CallToolResult {
  const output = mails.map(({ asks, redelivered, prompt, ...mail }) => ({
    id: mail.id,
    from: mail.from,
    address: mail.address,
    trust: mail.trust,
    wants_answer: asks !== null,
    answer_by: asks === null ? null : new Date(asks.byMs).toISOString(),
    seen_before: redelivered,
    prompt,
  }));
  const pages = output.map(({ id: one, prompt, wants_answer: wants }) => {
    const note = wants ? 'Its sender waits for an answer' : 'It asks for no answer';
    return `${prompt}\n${note}: reply, ack or refuse with id ${one}.`;
  });
  return given(pages.join('\n\n') || 'no messages', { messages: output });
}
