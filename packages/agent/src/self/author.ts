/**
 * Who writes a message: the keys that sign it, the numbers of its store, the time and the
 * randomness of this moment. Owns the shape; `self` fills it in.
 */
import type { AgentKeyPair, RandomSource } from '@agentmesh/crypto';
import type { Meta } from './meta.js';

/** Who says something, when, and with which randomness. */
export interface Author {
  readonly keyPair: AgentKeyPair;
  /** Whether another identity of ours has followed this one, which only receives. */
  readonly isFormer: boolean;
  readonly meta: Meta;
  readonly nowMs: number;
  readonly random: RandomSource;
}
