/**
 * Who may bind a free name (hub.md §2). Owns the three modes; that a bound name is never taken over
 * is the store's compare-and-set, and who is let in at all is `authentication`.
 */
import { addressOf, equalBytes } from '@agentmesh/protocol';

/**
 * `open`: any agent. `token`: an agent that shows one of the tokens. `allowlist`: agents listed by
 * name or by address. Agents that already hold a name are let in in every mode.
 */
export type Registration =
  | { readonly mode: 'open' }
  | { readonly mode: 'token'; readonly tokens: readonly string[] }
  | { readonly mode: 'allowlist'; readonly agents: readonly string[] };

/** What is known of someone who asks for a free name. */
export interface Registrant {
  readonly name: string;
  readonly aid: Uint8Array;
  readonly token: string | undefined;
}

const utf8 = new TextEncoder();

/** Whether a free name may be bound. */
export function mayRegister(registration: Registration, registrant: Registrant): boolean {
  switch (registration.mode) {
    case 'open':
      return true;
    case 'token':
      return hasToken(registration.tokens, registrant.token);
    case 'allowlist':
      return (
        registration.agents.includes(registrant.name) ||
        registration.agents.includes(addressOf(registrant.aid))
      );
  }
}

/** Compares with every token in constant time: the answer's delay tells nothing of a secret. */
function hasToken(tokens: readonly string[], shown: string | undefined): boolean {
  if (shown === undefined) return false;
  const bytes = utf8.encode(shown);
  let found = false;
  for (const token of tokens) found = equalBytes(utf8.encode(token), bytes) || found;
  return found;
}
