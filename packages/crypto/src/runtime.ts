/**
 * Entry `@agentmesh/crypto/runtime`: the base of all errors, and the refusal of a Node that is too
 * old. It loads nothing that encrypts, for programs that only talk to another one that does.
 */
import { assertSupportedRuntime } from './supported-runtime.js';

assertSupportedRuntime();

export { AgentMeshError, CryptoError } from './errors.js';
export type { CryptoErrorCode } from './errors.js';
