/**
 * Every attack of the kit, in the order in which they are tried. Owns the list and the choice of
 * some of it.
 */
import type { Attack } from './attack.js';
import { AGENT_SHARE_ATTACKS } from './attacks/agent-shares.js';
import { COST_ATTACKS } from './attacks/costs.js';
import { DISK_ATTACKS } from './attacks/disks.js';
import { FALSE_HUB_ATTACKS } from './attacks/false-hubs.js';
import { FOLDER_ATTACKS } from './attacks/folders.js';
import { IDENTITY_ATTACKS } from './attacks/identity.js';
import { MESSAGE_ATTACKS } from './attacks/messages.js';
import { ROAD_ATTACKS } from './attacks/roads.js';
import { SHARE_ATTACKS } from './attacks/shares.js';
import { WEB_ATTACKS } from './attacks/web.js';
import type { AttackOptions } from './options.js';

export const CATALOGUE: readonly Attack[] = [
  ...IDENTITY_ATTACKS,
  ...WEB_ATTACKS,
  ...SHARE_ATTACKS,
  ...FOLDER_ATTACKS,
  ...FALSE_HUB_ATTACKS,
  ...ROAD_ATTACKS,
  ...MESSAGE_ATTACKS,
  ...AGENT_SHARE_ATTACKS,
  ...COST_ATTACKS,
  ...DISK_ATTACKS,
];

/** The attacks that these options ask for. A name that is given is tried however long it takes. */
export function chosen(options: Pick<AttackOptions, 'only' | 'against' | 'isShort'>): Attack[] {
  const { only, against, isShort } = options;
  if (only !== null)
    return CATALOGUE.filter(({ name, test }) => only.includes(name) || only.includes(test));
  return CATALOGUE.filter(
    (attack) =>
      (against === null || attack.against === against) && !(isShort && attack.isLong === true),
  );
}

/** The first of these that names no attack; undefined if each names one. */
export function unknownIn(names: readonly string[]): string | undefined {
  return names.find(
    (given) => !CATALOGUE.some(({ name, test }) => name === given || test === given),
  );
}
