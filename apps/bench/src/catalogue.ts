/**
 * All benches, in the order of the document.
 * Owns the list only.
 */
import { hubBench } from './benches/hub.js';
import { sealBench } from './benches/seal.js';
import { sessionBench } from './benches/session.js';
import { sizeBench } from './benches/size.js';
import type { Bench } from './harness/bench.js';

export const CATALOGUE: readonly Bench[] = [sealBench, sessionBench, sizeBench, hubBench];
