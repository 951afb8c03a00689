/**
 * The suite that every `HubStore` passes, put together.
 * Owns nothing but the list; the tests are in the `store-*` files.
 */
import { describe } from '@jest/globals';
import type { OpenStore } from './hub-under-test.js';
import {
  storeIdentities,
  storeNames,
  storeOneTimePrekeys,
  storeOpenings,
  storePrekeys,
} from './store-directory.js';
import {
  storeKeptNames,
  storeListing,
  storeTransients,
  storeTransientsGone,
} from './store-names.js';
import {
  storeAppend,
  storeDeduplication,
  storeOrder,
  storeQuotas,
  storeOutlines,
  storeReading,
  storeRecipients,
} from './store-queues.js';
import { storeRevocation, storeSuccession } from './store-revocation.js';
import { storeExpiry, storePrekeyExpiry, storeNotices, storeSweeps } from './store-times.js';

/** Declares the suite for one store; `open` gives an empty one each time. */
export function storeCompliance(name: string, open: OpenStore): void {
  describe(`${name} keeps the contract of a hub store`, () => {
    storeNames(open);
    storeListing(open);
    storeTransients(open);
    storeKeptNames(open);
    storeTransientsGone(open);
    storeOpenings(open);
    storeIdentities(open);
    storeSuccession(open);
    storeRevocation(open);
    storePrekeys(open);
    storeOneTimePrekeys(open);
    storeAppend(open);
    storeDeduplication(open);
    storeRecipients(open);
    storeQuotas(open);
    storeOrder(open);
    storeReading(open);
    storeOutlines(open);
    storePrekeyExpiry(open);
    storeExpiry(open);
    storeSweeps(open);
    storeNotices(open);
  });
}
