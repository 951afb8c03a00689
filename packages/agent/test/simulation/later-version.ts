/**
 * What an agent of a later version says: contents of kinds that this version does not know. Owns
 * the way past the public calls of an agent, which know no such kinds.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import type { ContentKind } from '@agentmesh/crypto';
import { parseReference } from '../../src/conversation/trust.js';
import { Engine } from '../../src/engine/engine.js';
import type { AgentStore } from '../../src/store/store.js';

/** By the store that an agent was given. */
const engines = new WeakMap<AgentStore, Engine>();

const start = Engine.start.bind(Engine);
Engine.start = async (parts) => {
  const engine = await start(parts);
  engines.set(parts.kept.store, engine);
  return engine;
};

/** Says something of this kind, if the agent on this store is there. */
export async function sayUnknown(
  store: AgentStore,
  message: { readonly to: string; readonly kind: number; readonly body: Uint8Array },
): Promise<void> {
  const engine = engines.get(store);
  if (engine === undefined) return;
  const { to, kind, body } = message;
  try {
    const aid = await engine.introductions.resolve(parseReference(to));
    await engine.sender.tell(aid, () => ({ kind: kind as ContentKind, body }));
  } catch (error) {
    // The peer is not there, or the agent ends.
    if (!(error instanceof AgentMeshError)) throw error;
  }
}
