/**
 * Where there is no disk there is no key file. Stands in for `key-file-node` wherever the condition
 * `node` of `package.json` does not hold; owns nothing but the refusal.
 */
import { AgentError } from '../ground/errors.js';

/** Refuses, and says what to do instead. */
export function loadKeyFile(): Promise<never> {
  const error = new AgentError('BAD_OPTION', 'keypairPath needs Node: pass { keyPair } instead');
  return Promise.reject(error);
}

/** The same for an allow list. */
export function readAllowList(): Promise<never> {
  const error = new AgentError(
    'BAD_OPTION',
    'allowListPath needs Node: pass { allowList } instead',
  );
  return Promise.reject(error);
}
