/**
 * Tools made of the contracts that the profile knows: one for each operation that has one answer.
 * Owns their names and the check of inputs; the answer is data in a fence, as that of `ask`.
 */
import type { Control, Json, KnownContract, KnownOperation } from '@agentmesh/cli';
import type { McpServer } from '@modelcontextprotocol/server';
import * as z from 'zod';
import { askedWith, askOptions, callOutput } from './asking.js';

/** What clients take as the name of a tool. */
const LONGEST_NAME = 64;

/** Adds them; operations in many parts are left to the command. */
export function addContracts(
  server: McpServer,
  control: Control,
  contracts: readonly KnownContract[],
): void {
  for (const { id, operations } of contracts) {
    for (const [name, operation] of Object.entries(operations)) {
      if (operation.kind !== 'stream') addOperation(server, control, { id, name, operation });
    }
  }
}

function addOperation(
  server: McpServer,
  control: Control,
  { id, name, operation }: { id: string; name: string; operation: KnownOperation },
): void {
  server.registerTool(
    toolName(id, name),
    {
      title: `${name} of ${id}`,
      description:
        `Asks another agent for the operation ${name} of the contract ${id}. If there is no ` +
        'answer within wait_seconds, ask call_status with the call_id later.',
      inputSchema: z.object({ ...askOptions, input: inputOf(operation) }),
      outputSchema: callOutput,
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
    },
    ({ input, ...request }, context) =>
      askedWith(control, context, request, { op: `${id}/${name}`, value: input as Json }),
  );
}

/** `research@1` and `summarize`: `research_1_summarize`. */
function toolName(id: string, name: string): string {
  return `${id}_${name}`.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(-LONGEST_NAME);
}

/** What a model may pass; a schema that says more than is understood here is left to the callee. */
function inputOf({ input }: KnownOperation): z.ZodType {
  try {
    return z.fromJSONSchema(input);
  } catch {
    return z.json();
  }
}
