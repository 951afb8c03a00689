/**
 * What a running hub counts (hub.md §5). Owns the counting; never by agent, so nothing here tells
 * who writes to whom. The page for Prometheus is `hub-instruments`, loaded where it is served.
 */
import type { StoreCounts } from '@agentmesh/hub-local';
import type { HubFrame } from '@agentmesh/protocol';
import type { HubInstruments } from './hub-instruments.js';

/** What is asked for at each scrape. */
export interface MetricSources {
  readonly counts: () => Promise<StoreCounts>;
  readonly connections: () => number;
}

/** What was counted since it was last told. */
export interface HubCounts {
  readonly frames: Record<'stored' | 'duplicate' | 'deliveries' | 'redeliveries', number>;
  readonly refusals: Map<string, number>;
  readonly accepted: Map<'tcp' | 'tls' | 'websocket', number>;
  readonly commitTimes: number[];
  failures: number;
}

/** Commit times kept until the next scrape; more are told before it. */
const KEPT_TIMES = 10_000;
const NO_PAGE = { type: 'text/plain', text: '' } as const;

/** Counts of one server. */
export class HubMetrics {
  #counts = nothing();
  #instruments: Promise<HubInstruments> | null = null;

  /** From now on there is a page. */
  watch(sources: MetricSources): void {
    this.#instruments = import('./hub-instruments.js').then(
      ({ HubInstruments: Instruments }) => new Instruments(sources),
    );
    // Told to each reader of the page.
    this.#instruments.catch(() => undefined);
  }

  connected(transport: 'tcp' | 'tls' | 'websocket'): void {
    count(this.#counts.accepted, transport);
  }

  /** A frame leaves for a client. */
  sent(frame: HubFrame): void {
    const { frames } = this.#counts;
    if (frame.type === 'sent') frames[frame.duplicate ? 'duplicate' : 'stored'] += 1;
    if (frame.type !== 'deliver') return;
    frames.deliveries += 1;
    if (frame.attempt > 1) frames.redeliveries += 1;
  }

  refused(code: string): void {
    count(this.#counts.refusals, code);
  }

  failed(): void {
    this.#counts.failures += 1;
  }

  committed(milliseconds: number): void {
    const { commitTimes } = this.#counts;
    commitTimes.push(milliseconds);
    if (commitTimes.length < KEPT_TIMES) return;
    const told = commitTimes.splice(0);
    void this.#instruments?.then(
      (instruments) => instruments.tell({ ...nothing(), commitTimes: told }),
      () => undefined,
    );
  }

  /** The page, and its content type; empty before `watch`. */
  async page(): Promise<{ readonly type: string; readonly text: string }> {
    const instruments = await this.#instruments;
    if (instruments === null) return NO_PAGE;
    instruments.tell(this.#counts);
    this.#counts = nothing();
    return instruments.page();
  }
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

function nothing(): HubCounts {
  return {
    frames: { stored: 0, duplicate: 0, deliveries: 0, redeliveries: 0 },
    refusals: new Map(),
    accepted: new Map(),
    commitTimes: [],
    failures: 0,
  };
}
