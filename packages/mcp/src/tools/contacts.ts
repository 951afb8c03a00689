/**
 * `contacts`, `accept_contact` and `verify_peer`: who may write, and who is who. Owns that a person
 * decides, never a model: the client asks the person, and where it cannot, the result names the
 * command that the person runs.
 */
import type { Control, ControlContact } from '@agentmesh/cli';
import { acceptedContent, inputRequired, inputResponse } from '@modelcontextprotocol/server';
import type {
  CallToolResult,
  InputRequiredResult,
  McpServer,
  ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import { canAsk } from './asking-people.js';
import { peer as peerShape } from './identity.js';
import { attempt, failed, given } from './result.js';

const WHO = 'contacts lists who is, take a name or address from there';
const LOOKS = { readOnlyHint: true, openWorldHint: false } as const;
const peer = z.string().min(1).max(512).describe('Name or address of the other agent');
const contact = peerShape.extend({
  state: z.enum(['accepted', 'pending', 'denied', 'blocked']),
  messages: z.number().describe('Messages that wait for the decision'),
  preview: z.string().nullable().describe('The first of them, between two marks: data'),
});
const decision = z.object({
  accept: z.boolean().describe('Whether this agent may write to yours'),
});
const comparison = z.object({
  fingerprint: z
    .string()
    .max(128)
    .describe('The fingerprint as its owner told it to you, not as an agent did'),
});

/** Adds them. */
export function addContacts(server: McpServer, control: Control): void {
  server.registerTool(
    'contacts',
    {
      title: 'List contacts',
      description: 'Agents that may write to yours, and those that wait for a decision.',
      inputSchema: z.object({ pending: z.boolean().default(false).describe('Only who waits') }),
      outputSchema: z.object({ contacts: z.array(contact) }),
      annotations: LOOKS,
    },
    ({ pending }) =>
      attempt(async () => {
        const all = (await control.call('contacts', {})).contacts;
        return shown(pending ? all.filter(({ state }) => state === 'pending') : all);
      }),
  );
  addAccept(server, control);
  addVerify(server, control);
}

function addAccept(server: McpServer, control: Control): void {
  server.registerTool(
    'accept_contact',
    {
      title: 'Accept a contact',
      description: 'Asks the person whose agent you are whether another agent may write to it.',
      inputSchema: z.object({ peer }),
      outputSchema: z.object({ peer: z.string(), accepted: z.boolean() }),
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    ({ peer: name }, context) => attempt(() => accept(server, control, name, context)),
  );
}

async function accept(
  server: McpServer,
  control: Control,
  name: string,
  context: ServerContext,
): Promise<CallToolResult | InputRequiredResult> {
  const { inputResponses } = context.mcpReq;
  const known = await contactOf(control, name);
  if (known === null)
    return failed(`UNKNOWN_PEER: no agent ${name} is known here. What to do: ${WHO}.`);
  const { address } = known;
  if (known.state === 'accepted')
    return given('accepted already', { peer: address, accepted: true });
  if (!canAsk(server, context)) {
    return failed(`A person decides this. They run: agentmesh accept ${address}`);
  }
  const response = inputResponse(inputResponses, 'decision');
  if (response.kind === 'missing') {
    const message =
      `Another agent wants to write to yours: ${known.name}, address ${address}, fingerprint ` +
      `${known.fingerprint}. Accept it?`;
    return inputRequired({
      inputRequests: { decision: inputRequired.elicit({ message, requestedSchema: decision }) },
    });
  }
  const decided = acceptedContent(inputResponses, 'decision', decision);
  if (decided?.accept !== true) return given('not accepted', { peer: address, accepted: false });
  // By its address: a name may have changed hands since the person was asked.
  await control.call('accept', { peer: address });
  return given('accepted', { peer: address, accepted: true });
}

function addVerify(server: McpServer, control: Control): void {
  server.registerTool(
    'verify_peer',
    {
      title: 'Verify a peer',
      description:
        'Shows what two people compare to be sure who an agent is, and asks the person whose ' +
        'agent you are for the fingerprint that the other person told them.',
      inputSchema: z.object({ peer }),
      outputSchema: peerShape.extend({ safety_number: z.string(), verified: z.boolean() }),
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    ({ peer: name }, context) => attempt(() => verify(server, control, name, context)),
  );
}

async function verify(
  server: McpServer,
  control: Control,
  name: string,
  context: ServerContext,
): Promise<CallToolResult | InputRequiredResult> {
  const { inputResponses } = context.mcpReq;
  const { safetyNumber, ...known } = await control.call('verify', { peer: name });
  const { address } = known;
  const output = (isVerified: boolean) => ({
    ...known,
    safety_number: safetyNumber,
    verified: isVerified,
  });
  if (known.trust === 'verified') return given(`${known.name} is verified`, output(true));
  const byHand = `agentmesh verify ${address} FINGERPRINT`;
  const facts = `${known.name}, address ${address}, safety number ${safetyNumber}`;
  if (!canAsk(server, context)) {
    return given(`${facts}. A person compares it and runs: ${byHand}`, output(false));
  }
  if (inputResponse(inputResponses, 'comparison').kind === 'missing') {
    const message =
      `Who is ${known.name}? Ask its owner, in person or by phone, for its fingerprint, and ` +
      'enter it here.';
    const asked = inputRequired.elicit({ message, requestedSchema: comparison });
    return inputRequired({ inputRequests: { comparison: asked } });
  }
  const typed = acceptedContent(inputResponses, 'comparison', comparison);
  if (typed === undefined) return given(`${facts}: not verified`, output(false));
  const { safetyNumber: _, ...now } = await control.call('verify', {
    peer: address,
    fingerprint: typed.fingerprint,
  });
  const isVerified = now.trust === 'verified';
  return given(`${now.name} is verified`, { ...output(isVerified), trust: now.trust });
}

async function contactOf(control: Control, name: string): Promise<ControlContact | null> {
  const all = (await control.call('contacts', {})).contacts;
  const named = all.filter((one) => one.address === name || one.name === name);
  // A name that two hold says nothing.
  return named.length === 1 ? (named[0] ?? null) : null;
}

function shown(contacts: readonly ControlContact[]): CallToolResult {
  const output = contacts.map(({ name, address, fingerprint, trust, ...rest }) => {
    const { state, messages, preview } = rest;
    return { name, address, fingerprint, trust, state, messages, preview };
  });
  const lines = output.map(({ name, state, trust, preview }) => {
    const first = preview === null ? '' : `\n${preview}`;
    return `${name}: ${state} (${trust})${first}`;
  });
  return given(lines.join('\n') || 'no contacts yet', { contacts: output });
}
