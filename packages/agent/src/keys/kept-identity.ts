/**
 * Where an agent's keys are kept, and its store: with the caller, in memory, or on the disk. Owns
 * the contract and the two ways without a disk; files are `key-file-node`'s.
 */
import { AgentKeyPair } from '@agentmesh/crypto';
import type { RandomSource } from '@agentmesh/crypto';
import { AgentError } from '../ground/errors.js';
import type { Logger, Runtime } from '../ground/runtime.js';
import { MemoryStore } from '../store/memory-store.js';
import type { AgentStore } from '../store/store.js';

/** An identity as it is found at the start. */
export interface KeptIdentity {
  readonly keyPair: AgentKeyPair;
  /** Keys that an earlier run has prepared to follow these; null if there are none. */
  readonly prepared: AgentKeyPair | null;
  readonly keeper: IdentityKeeper;
  /** Not opened yet: nothing is made on the disk before that. */
  readonly store: AgentStore;
  /** Whether a later run has the same keys; one that has not is another agent. */
  readonly keepsKeys: boolean;
  /** Whether a later run has the same keys and the same store. */
  readonly keepsStore: boolean;
}

/** What a key file needs to be loaded or created. */
export interface KeyFileOptions {
  readonly keypairPath: string;
  readonly passphrase: string | undefined;
  readonly groupReadable: boolean;
  /** Where the store is; null for beside the key file. */
  readonly storePath: string | null;
  readonly runtime: Runtime;
  readonly log: Logger;
}

/** Keeps keys while one identity follows another (protocol.md §2.13). */
export interface IdentityKeeper {
  /** Keeps the next keys beside the present ones, durably: those given, prepared before, or new. */
  prepare(keyPair: AgentKeyPair | undefined): Promise<AgentKeyPair>;
  /** The next keys replace the present ones. */
  promote(): Promise<void>;
  /** The hub has refused the next identity for good: its keys are forgotten. */
  discard(): Promise<void>;
  /** Whether these keys end with the process: they are kept neither here nor by the caller. */
  isTransient(keyPair: AgentKeyPair): boolean;
}

/** Keys that end with the agent, and with them its store, unless it is the caller's own. */
export function keptInMemory(own: AgentStore | null, random: RandomSource): KeptIdentity {
  const store = own ?? new MemoryStore();
  const given = new Set<AgentKeyPair>();
  let next: AgentKeyPair | null = null;
  const forget = async (): Promise<void> => {
    next = null;
  };
  const keeper = {
    async prepare(keyPair: AgentKeyPair | undefined) {
      if (keyPair !== undefined) given.add(keyPair);
      next ??= keyPair ?? AgentKeyPair.generate(random);
      return next;
    },
    promote: forget,
    discard: forget,
    isTransient: (keyPair: AgentKeyPair) => own === null && !given.has(keyPair),
  };
  const keyPair = AgentKeyPair.generate(random);
  return { keyPair, prepared: null, keeper, store, keepsKeys: false, keepsStore: false };
}

/** Keys that the caller keeps, which has to have the next ones safe before they are used. */
export function keptByCaller(keyPair: AgentKeyPair, own: AgentStore | null): KeptIdentity {
  const [store, keepsStore] = [own ?? new MemoryStore(), own !== null];
  const keeper = {
    async prepare(given: AgentKeyPair | undefined) {
      if (given !== undefined) return given;
      const detail = "you keep this agent's keys: make new ones, keep them, then pass them";
      throw new AgentError('BAD_OPTION', detail);
    },
    promote: async () => {},
    discard: async () => {},
    isTransient: () => false,
  };
  return { keyPair, prepared: null, keeper, store, keepsKeys: true, keepsStore };
}
