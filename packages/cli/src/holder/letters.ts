/**
 * The dead letters of an agent, be it held or not: a store that nobody holds is read without a hub.
 * Owns that choice.
 */
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { DeadMail } from '../control/api.js';
import { ControlClient } from '../control/client.js';
import { controlError } from '../control/error.js';
import { systemClock } from '../machine.js';
import type { Clock } from '../machine.js';
import type { AgentFiles } from '../profile/profile.js';
import { PATIENCE_MS, PAUSE_MS } from './open-control.js';

/** What can be done with them. */
export interface Letters {
  /** Whether the agent runs: what is tried again is tried at once. */
  readonly isHeld: boolean;
  list(): Promise<readonly DeadMail[]>;
  retry(id: string): Promise<void>;
  drop(id: string): Promise<void>;
  close(): Promise<void>;
}

/** Rejects as `openControl` does, and as `StoppedAgent.open` does. */
export async function openLetters(
  files: AgentFiles,
  passphrase: string | undefined,
  clock: Clock = systemClock,
): Promise<Letters> {
  const untilMs = clock() + PATIENCE_MS;
  for (;;) {
    const client = await ControlClient.connect(files.socket);
    if (client !== null) return heldLetters(client);
    if (files.profile !== null && !existsSync(files.keys)) throw controlError('NO_AGENT');
    const { StoppedAgent } = await import('@agentmesh/agent/node');
    try {
      const agent = await StoppedAgent.open(files.keys, { passphrase });
      return {
        isHeld: false,
        list: () => agent.deadLetters(),
        retry: (id) => agent.retryDeadLetter(id),
        drop: (id) => agent.dropDeadLetter(id),
        close: () => agent.close(),
      };
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'STORE_LOCKED') throw error;
      if (clock() > untilMs) throw controlError('HOLDER_SILENT', files.store, error);
      await pause(PAUSE_MS);
    }
  }
}

function heldLetters(client: ControlClient): Letters {
  return {
    isHeld: true,
    list: async () => (await client.call('dead_letters', {})).letters,
    retry: async (id) => void (await client.call('retry', { id })),
    drop: async (id) => void (await client.call('drop', { id })),
    close: async () => client.close(),
  };
}
