/**
 * What can go wrong, by name, as the command line takes it. Owns the lists and which of them can
 * be had where; what each does is `faults`'.
 */

/** Of one agent's machine. */
export const AGENT_FAULT_NAMES = [
  'kill',
  'pause',
  'cut',
  'freeze',
  'full',
  'clock',
  'rotate',
  'snapshot',
  'restore',
  'twin',
  'close',
  'upgrade',
] as const;

/** Of one hub's. */
export const HUB_FAULT_NAMES = [
  'killHub',
  'pauseHub',
  'fullHub',
  'clockHub',
  'restartHub',
  'saveHub',
  'backupHub',
  'snapshotHub',
  'restoreHub',
  'upgradeHub',
] as const;

/** Of one node of NATS. */
export const NODE_FAULT_NAMES = ['killNode', 'pauseNode', 'restartNode'] as const;

export const FAULT_NAMES = [...AGENT_FAULT_NAMES, ...HUB_FAULT_NAMES, ...NODE_FAULT_NAMES] as const;

export type AgentFaultName = (typeof AGENT_FAULT_NAMES)[number];
export type HubFaultName = (typeof HUB_FAULT_NAMES)[number];
export type NodeFaultName = (typeof NODE_FAULT_NAMES)[number];

/** One of them. */
export type FaultName = (typeof FAULT_NAMES)[number];

/** What a run has, on which it depends what can go wrong. */
export interface Means {
  /** A hub with files of its own. */
  readonly hasFiles: boolean;
  /** A hub's disk that can be filled. */
  readonly hasSmallDisk: boolean;
  /** An earlier build. */
  readonly hasFormer: boolean;
}

const OF_FILES: ReadonlySet<FaultName> = new Set([
  'saveHub',
  'backupHub',
  'snapshotHub',
  'restoreHub',
]);
const OF_FORMER: ReadonlySet<FaultName> = new Set(['upgrade', 'upgradeHub']);
const OF_NODES: ReadonlySet<FaultName> = new Set(NODE_FAULT_NAMES);

/** Those that can be had. */
export function faultsWith(
  { hasFiles, hasSmallDisk, hasFormer }: Means,
  names: readonly FaultName[],
): readonly FaultName[] {
  return names.filter((name) => {
    if (name === 'fullHub') return hasFiles && hasSmallDisk;
    if (OF_FILES.has(name)) return hasFiles;
    if (OF_FORMER.has(name)) return hasFormer;
    return hasFiles ? !OF_NODES.has(name) : true;
  });
}
