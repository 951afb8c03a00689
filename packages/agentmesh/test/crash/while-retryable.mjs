// How an agent's process comes up while its hub, or the process before it, may be going down.
import { setTimeout as pause } from 'node:timers/promises';

/** What `attempt` gives; it is made again after each error that says that this can help. */
export async function whileRetryable(attempt) {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!error.retryable) throw error;
      await pause(50);
    }
  }
}
