/**
 * A manual host for agents on real files: it comes to rest only when no store has anything under
 * way on its disk, which takes real time. Owns the counting.
 */
import { ManualHost } from '@agentmesh/hub-compliance';
import type { AgentStore } from '../src/store/store.js';

export class DiskAwareHost extends ManualHost {
  #underWay = 0;

  override async rest(): Promise<void> {
    do {
      await super.rest();
      if (this.#underWay > 0) await new Promise((resolve) => void setTimeout(resolve, 1));
    } while (this.#underWay > 0);
  }

  /** The same store; what it does is waited for. */
  watched(store: AgentStore): AgentStore {
    const counted = async <T>(task: Promise<T>): Promise<T> => {
      this.#underWay += 1;
      try {
        return await task;
      } finally {
        this.#underWay -= 1;
      }
    };
    return {
      open: () => counted(store.open()),
      get: (key) => counted(store.get(key)),
      range: (range) => counted(store.range(range)),
      commit: (operations) => counted(store.commit(operations)),
      close: () => counted(store.close()),
    };
  }
}
