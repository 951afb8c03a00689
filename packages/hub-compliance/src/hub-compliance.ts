/**
 * The suite that every hub passes, whatever its transport and store, put together.
 * Owns nothing but the list; the tests are in the `hub-*` files.
 */
import { describe } from '@jest/globals';
import {
  hubAuthAttacks,
  hubConnections,
  hubNames,
  hubRegistration,
  hubStrangerFrames,
  hubStrangers,
} from './hub-authentication.js';
import { hubBadFrames } from './hub-bad-frames.js';
import {
  hubFetching,
  hubFetchLimits,
  hubPrekeyRefusals,
  hubPublishing,
  hubRecordRefusals,
  hubSuccession,
  hubSuccessionRepeated,
} from './hub-directory.js';
import { hubDeadLetters, hubExpiry, hubNotices } from './hub-fates.js';
import { hubGreeting, hubWord } from './hub-greeting.js';
import { hubInterface, hubInterfaceEnds } from './hub-interface.js';
import { hubExtremes, hubRates, hubSizes } from './hub-limits.js';
import {
  hubCredit,
  hubDelivering,
  hubRedelivery,
  hubSending,
  hubTurns,
  hubSendingAttacks,
} from './hub-queues.js';
import {
  hubRevocation,
  hubRevocationAgain,
  hubRevocationRefusals,
  hubRevokedQueues,
} from './hub-revocation.js';
import { hubKeptNames, hubTransients, hubTransientsGone } from './hub-transients.js';
import type { StartHub } from './hub-under-test.js';

const PARTS = [
  hubGreeting,
  hubWord,
  hubAuthAttacks,
  hubStrangers,
  hubStrangerFrames,
  hubNames,
  hubRegistration,
  hubConnections,
  hubTransients,
  hubTransientsGone,
  hubKeptNames,
  hubPublishing,
  hubRecordRefusals,
  hubPrekeyRefusals,
  hubFetching,
  hubFetchLimits,
  hubSuccession,
  hubSuccessionRepeated,
  hubRevocation,
  hubRevocationAgain,
  hubRevokedQueues,
  hubRevocationRefusals,
  hubSending,
  hubTurns,
  hubSendingAttacks,
  hubDelivering,
  hubRedelivery,
  hubCredit,
  hubExpiry,
  hubDeadLetters,
  hubNotices,
  hubRates,
  hubSizes,
  hubExtremes,
  hubBadFrames,
  hubInterface,
  hubInterfaceEnds,
];

/** Declares the suite for one kind of hub; `start` gives a running one with an empty store. */
export function hubCompliance(name: string, start: StartHub): void {
  describe(`${name} keeps the promises of a hub`, () => {
    for (const part of PARTS) part(start);
  });
}
