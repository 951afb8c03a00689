/**
 * The agents of whatever imports this keep few one-time prekeys: making and checking fifty is most
 * of what the start of an agent costs, and tests start thousands. A test that counts on many asks
 * for `usualPrekeys`.
 */
import { AGENT_LIMITS } from '../src/ground/limits.js';

const table = AGENT_LIMITS as { oneTimePrekeys: number; oneTimeRefill: number };
const { oneTimePrekeys, oneTimeRefill } = AGENT_LIMITS;

Object.assign(table, { oneTimePrekeys: 8, oneTimeRefill: 3 });

/** As many as the agents of users have. */
export function usualPrekeys(): void {
  Object.assign(table, { oneTimePrekeys, oneTimeRefill });
}
