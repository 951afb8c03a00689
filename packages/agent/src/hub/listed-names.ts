/**
 * All names on the hub, page by page. Owns that this ends, whatever the hub says: names come in
 * alphabetical order, each page goes on after the one before, and their number is bounded.
 */
import { ProtocolError } from '@agentmesh/protocol';
import type { AgentPage, HubConnection } from '@agentmesh/protocol';
import { AGENT_LIMITS } from '../ground/limits.js';

/** What is asked: the hub, once it is there. */
interface Asked {
  request<T>(request: (connection: HubConnection) => Promise<T>): Promise<T>;
}

/** Rejects with BAD_FRAME if the hub lists without order or end. */
export async function listedNames(hub: Asked): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | null = null;
  do {
    const query: { cursor?: string } = cursor === null ? {} : { cursor };
    const page: AgentPage = await hub.request((connection) => connection.list(query));
    const isOrdered = page.names.every(
      (name, at) => name > (page.names[at - 1] ?? names.at(-1) ?? ''),
    );
    const goesOn = page.next === null || page.names.length > 0;
    names.push(...page.names);
    if (!isOrdered || !goesOn || names.length > AGENT_LIMITS.listedNames) throw endless();
    cursor = page.next;
  } while (cursor !== null);
  return names;
}

function endless(): ProtocolError {
  return new ProtocolError('BAD_FRAME', {
    message: 'The hub lists names without order or end: ask its operator',
  });
}
