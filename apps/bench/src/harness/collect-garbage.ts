/**
 * A full collection on demand: before what is measured is to be free of what others left behind,
 * or only of what is dead. Owns the switch that makes V8 give the call.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
export const collectGarbage = runInNewContext('gc') as () => void;
