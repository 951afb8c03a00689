/**
 * Waiting for what was sent, and the figures that come of it. Owns counting, percentiles and the
 * reading of a hub's metrics; what is sent is `measurements`' business.
 */
import { NetworkHub } from 'agentmesh';
import { setTimeout as pause } from 'node:timers/promises';
import { ClusterError } from '../cluster-error.js';
import { HOST } from '../plan.js';
import type { ClusterPlan, HubPlan } from '../plan.js';
import type { Member } from './member.js';

/** A running cluster to measure. */
export interface Measured {
  readonly plan: ClusterPlan;
  readonly hubKey: string;
}

const WINDOW = 25;
const LONGEST_MS = 120_000;
const POLL_MS = 200;

/** The element at a place that goes round. */
export function atOf<T>(list: readonly T[], at: number): T {
  const element = list[at % list.length];
  if (element === undefined) throw new ClusterError('nothing to choose from');
  return element;
}

/** One client for each hub. */
export function hubsOf({ plan, hubKey }: Measured): NetworkHub[] {
  return plan.hubs.map(({ port }) => {
    const options = { host: HOST, port, hubKey, connectTimeoutMs: LONGEST_MS };
    return new NetworkHub({ ...options, requestTimeoutMs: LONGEST_MS });
  });
}

export async function closeAll(hubs: readonly NetworkHub[]): Promise<void> {
  await Promise.all(hubs.map((hub) => hub.close()));
}

/** Resolves when the receivers have got so many between them. */
export function arrivals(receivers: readonly Member[], count: number): Promise<void> {
  return withinTime(
    new Promise((resolve) => {
      let left = count;
      for (const receiver of receivers) {
        receiver.onDelivery = () => {
          left -= 1;
          if (left === 0) resolve();
        };
      }
    }),
  );
}

/** Sends so many, a window of them at a time. */
export async function sendAll(
  from: Member,
  { to, blob, count }: { to: Member; blob: Uint8Array; count: number },
): Promise<void> {
  let left = count;
  const sendSome = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await from.send(to, blob);
    }
  };
  await Promise.all(Array.from({ length: WINDOW }, sendSome));
}

export async function withinTime<T>(work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new ClusterError('a measurement did not come to its end')),
    LONGEST_MS,
  );
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** The value of one metric of one hub. */
export async function metricOf({ port }: HubPlan, name: string): Promise<number> {
  const answer = await fetch(`http://${HOST}:${port}/metrics`);
  const value = new RegExp(`^${name} (\\S+)$`, 'm').exec(await answer.text())?.[1];
  if (value === undefined) throw new ClusterError(`a hub has no metric ${name}`);
  return Number(value);
}

/** Resolves when every acknowledgement has been carried out. */
export function queuesAreEmpty({ hubs }: ClusterPlan): Promise<void> {
  const hub = atOf(hubs, 0);
  const wait = async (): Promise<void> => {
    while ((await metricOf(hub, 'agentmesh_hub_queued_envelopes')) > 0) await pause(POLL_MS);
  };
  return withinTime(wait());
}

/** Half of the values, and all but a hundredth, are at most these. */
export function percentiles(milliseconds: readonly number[]): string {
  const sorted = milliseconds.toSorted((one, other) => one - other);
  const at = (share: number): string => {
    const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return value.toFixed(1);
  };
  return `${at(0.5)} / ${at(0.99)} ms`;
}

export function inBytes(bytes: number): string {
  return bytes < 10_000 ? `${Math.round(bytes)} B` : `${(bytes / 1_024).toFixed(1)} KiB`;
}
