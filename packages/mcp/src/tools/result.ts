/**
 * What a tool gives back: a value with its text, or an error that a model can act on. Owns both
 * shapes, and that errors are one line with what to do.
 */
import { ControlError } from '@agentmesh/cli';
import type { CallToolResult } from '@modelcontextprotocol/server';

/** A value as a model reads it, and as its client reads it. */
export function given(text: string, structuredContent: Record<string, unknown>): CallToolResult {
  return { content: [{ type: 'text', text }], structuredContent };
}

/** What went wrong, and what to do about it. */
export function failed(text: string): CallToolResult {
  return { isError: true, content: [{ type: 'text', text }] };
}

/** Runs a tool; an error of the agent is a result, so that the model sees it. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | CallToolResult> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    const { code, message, remedy, retryable } = error;
    const then = remedy === null ? '' : ` What to do: ${remedy}.`;
    const again = retryable ? ' Trying again later may help.' : '';
    return failed(`${code}: ${message}.${then}${again}`);
  }
}
