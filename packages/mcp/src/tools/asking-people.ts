/**
 * Whether the client of this connection can ask the person in front of it. Owns that question; what
 * is asked is each tool's.
 */
import { CLIENT_CAPABILITIES_META_KEY } from '@modelcontextprotocol/server';
import type { ClientCapabilities, McpServer, ServerContext } from '@modelcontextprotocol/server';

/** By what the client said of itself, with the request or when it began. */
export function canAsk(server: McpServer, { mcpReq }: ServerContext): boolean {
  const envelope = mcpReq.envelope as Record<string, unknown> | undefined;
  const said = envelope?.[CLIENT_CAPABILITIES_META_KEY] as ClientCapabilities | undefined;
  // Deprecated for newer clients, which say it with each request; older ones said it once.
  // oxlint-disable-next-line typescript/no-deprecated
  return (said ?? server.server.getClientCapabilities())?.elicitation !== undefined;
}
