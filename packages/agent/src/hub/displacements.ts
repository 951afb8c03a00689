/**
 * Two processes with one identity, each started again by its supervisor, would take the connection
 * from each other for ever. Owns the count of such losses, which outlives the process, and how long
 * a start is refused after a few of them: the one that lost last waits, the other one serves.
 */
import { ProtocolError } from '@agentmesh/protocol';
import type { Clock } from '@agentmesh/protocol';
import { AGENT_LIMITS } from '../ground/limits.js';
import { RowReader, RowWriter } from '../store/row-codec.js';
import { ROW } from '../store/row-keys.js';
import type { AgentStore } from '../store/store.js';

/** Losses in a row, and the time of the last one. */
interface Displacements {
  readonly count: number;
  readonly lastMs: number;
}

const VERSION = 1;

/** Another process has connected with our identity. */
export async function countDisplacement(store: AgentStore, now: Clock): Promise<void> {
  const { count, lastMs } = await displacementsIn(store);
  const nowMs = now();
  const isInRow = Math.abs(nowMs - lastMs) < 2 * AGENT_LIMITS.duelMaxMs;
  const row = new RowWriter().u8(VERSION).u32(isInRow ? count + 1 : 1);
  await store.commit([{ put: ROW.displaced, value: row.u64(nowMs).finish() }]);
}

/** Throws DISPLACED while this start would only take the connection back once more. */
export async function assertNoDuel(store: AgentStore, now: Clock): Promise<void> {
  const { count, lastMs } = await displacementsIn(store);
  const beyond = count - AGENT_LIMITS.duelRounds;
  if (beyond < 0) return;
  const waitMs = Math.min(AGENT_LIMITS.duelMs * 2 ** beyond, AGENT_LIMITS.duelMaxMs);
  const elapsedMs = now() - lastMs;
  // A clock that was set back does not block for ever.
  if (elapsedMs < 0 || elapsedMs >= waitMs) return;
  const seconds = Math.ceil((waitMs - elapsedMs) / 1000);
  throw new ProtocolError('DISPLACED', {
    message:
      `Another process uses this identity and has taken its connection ${count} times in a row: ` +
      `stop one of the two, or give it keys and a name of its own; this one may connect again in ` +
      `${seconds} s`,
  });
}

async function displacementsIn(store: AgentStore): Promise<Displacements> {
  const bytes = await store.get(ROW.displaced);
  if (bytes === null) return { count: 0, lastMs: 0 };
  const row = new RowReader(bytes, 'displaced');
  if (row.u8() !== VERSION) row.fail();
  const found = { count: row.u32(), lastMs: row.u64() };
  row.end();
  return found;
}
