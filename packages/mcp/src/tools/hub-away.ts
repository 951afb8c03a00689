/**
 * What a model is told while the hub is away: beside what a tool gives, or instead of "nothing".
 * Owns that sentence; the agent itself goes on, and so do its calls.
 */
import { ControlError } from '@agentmesh/cli';
import type { Control } from '@agentmesh/cli';
import type { CallToolResult } from '@modelcontextprotocol/server';
import * as z from 'zod';

const REMEDY = 'check that it runs, then agentmesh doctor';

/** In the output of tools whose result says less while the hub is away. */
export const notice = z
  .string()
  .optional()
  .describe('Only while the hub cannot be reached: what that means, and what to do');

/** Rejects with HUB_AWAY where nothing was found, and the hub may have something. */
export async function assertHub(control: Control): Promise<void> {
  const hubs = await control.hubsAway();
  if (hubs === null) return;
  const lost = 'no mail is here; what waits there is not known';
  const message = `The hub at ${hubs} cannot be reached: ${lost}`;
  throw new ControlError({ code: 'HUB_AWAY', retryable: true, message, remedy: REMEDY });
}

/** The same result; while the hub is away with a notice beside it. */
export async function withNotice(
  control: Control,
  result: CallToolResult,
): Promise<CallToolResult> {
  // What is given has been taken: it is not lost for want of a notice.
  const hubs = await control.hubsAway().catch(() => null);
  if (hubs === null) return result;
  const text =
    `The hub at ${hubs} cannot be reached (HUB_AWAY): what is sent is kept until it is back, and ` +
    `what others have sent waits there. What to do: ${REMEDY}.`;
  const value = result.structuredContent as Record<string, unknown>;
  return {
    ...result,
    content: [...result.content, { type: 'text', text }],
    structuredContent: { ...value, notice: text },
  };
}
