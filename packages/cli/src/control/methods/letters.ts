/**
 * Methods about dead letters.
 * Owns nothing but their shape; the agent keeps them.
 */
import type { Hold, MethodWorks } from '../hold.js';

/** dead_letters, retry, drop. */
export function letterMethods({ agent }: Hold): MethodWorks<'dead_letters' | 'retry' | 'drop'> {
  return {
    async dead_letters() {
      return { letters: await agent.deadLetters() };
    },
    async retry({ id }) {
      await agent.retryDeadLetter(id);
      return {};
    },
    async drop({ id }) {
      await agent.dropDeadLetter(id);
      return {};
    },
  };
}
