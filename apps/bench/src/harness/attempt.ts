/**
 * One case, whatever happens to it: what fails is tried once more, then reported as not measured,
 * and the run goes on. Owns that; rounds and proofs are `rounds`'.
 */
import process from 'node:process';

import { abandonServers } from '../peers/server-process.js';
import type { Case } from './bench.js';
import type { CaseResult } from './results.js';
import { runCase } from './rounds.js';
import type { RoundOptions } from './rounds.js';

const ATTEMPTS = 2;

/** What became of a case; `failure` says why nothing of it was measured. */
export interface Attempt {
  readonly result: CaseResult;
  readonly failure: string | null;
}

/** Never rejects: a run of many cases must not end with one of them. */
export async function attemptCase(theCase: Case, options: RoundOptions): Promise<Attempt> {
  let failure = '';
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    try {
      const result = await untilCrash(() => runCase(theCase, options));
      return { result, failure: null };
    } catch (error) {
      // What it left running must not slow down what follows.
      abandonServers();
      failure = error instanceof Error ? error.message : String(error);
      options.onProgress(`${theCase.title}: attempt ${attempt} of ${ATTEMPTS} failed: ${failure}`);
    }
  }
  return { result: failedCase(theCase, failure), failure: `${theCase.title}: ${failure}` };
}

/** Nobody of it was measured. */
function failedCase({ id, title, measures, entrants, axis }: Case, why: string): CaseResult {
  const absent = `failed: ${why}`;
  const contenders = entrants.map((entrant) => ({ id: entrant.id, label: entrant.label, absent }));
  const curve = axis === undefined ? {} : { axis };
  return { id, title, measures, targets: [], ...curve, contenders };
}

/** An error that nobody catches, such as that of a socket, ends the work and not the process. */
async function untilCrash<T>(work: () => Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  process.on('uncaughtException', reject);
  try {
    return await Promise.race([work(), promise]);
  } finally {
    process.off('uncaughtException', reject);
  }
}
