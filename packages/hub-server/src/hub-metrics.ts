/**
 * What a running hub counts, for Prometheus (hub.md §5). Owns names and meanings; never counts by
 * agent, so nothing here tells who writes to whom.
 */
import type { StoreCounts } from '@agentmesh/hub-local';
import type { HubFrame } from '@agentmesh/protocol';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What is asked for at each scrape. */
export interface MetricSources {
  readonly counts: () => Promise<StoreCounts>;
  readonly connections: () => number;
}

const MILLISECONDS_PER_SECOND = 1_000;

/** One registry per server: two servers in one process do not meet. */
export class HubMetrics {
  readonly #registry = new Registry();
  readonly #sends = this.#counter('sends_total', 'Envelopes accepted, by result', ['result']);
  readonly #refusals = this.#counter('refusals_total', 'Requests refused, by code', ['code']);
  readonly #deliveries = this.#counter('deliveries_total', 'Envelopes pushed to recipients');
  readonly #redeliveries = this.#counter('redeliveries_total', 'Pushes after the first attempt');
  readonly #failures = this.#counter('store_failures_total', 'Failed calls of the store');
  readonly #accepted = this.#counter('connections_total', 'Connections, by transport', [
    'transport',
  ]);
  readonly #commits = new Histogram({
    name: 'agentmesh_hub_commit_seconds',
    help: 'Time of one durable commit, its fsync included',
    buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1],
    registers: [this.#registry],
  });

  /** What happens for each message is counted here and told to the registry when it is asked. */
  #untold = noFrames();
  #refresh: () => Promise<void> = () => Promise.resolve();

  /** Gauges are read when somebody asks. */
  watch(sources: MetricSources): void {
    collectDefaultMetrics({ register: this.#registry });
    const connections = this.#gauge('connections', 'Open connections');
    const agents = this.#gauge('agents', 'Registered names');
    const envelopes = this.#gauge('queued_envelopes', 'Envelopes waiting for their recipients');
    const bytes = this.#gauge('queued_bytes', 'Bytes of those envelopes');
    const dead = this.#gauge('dead_lettered', 'Envelopes dead-lettered since the store exists');
    this.#refresh = async () => {
      connections.set(sources.connections());
      const counts = await sources.counts();
      agents.set(counts.agents);
      envelopes.set(counts.envelopes);
      bytes.set(counts.bytes);
      dead.set(counts.deadLettered);
    };
  }

  connected(transport: 'tcp' | 'tls' | 'websocket'): void {
    this.#accepted.inc({ transport });
  }

  /** A frame leaves for a client. */
  sent(frame: HubFrame): void {
    if (frame.type === 'sent') this.#untold[frame.duplicate ? 'duplicate' : 'stored'] += 1;
    if (frame.type !== 'deliver') return;
    this.#untold.deliveries += 1;
    if (frame.attempt > 1) this.#untold.redeliveries += 1;
  }

  refused(code: string): void {
    this.#refusals.inc({ code });
  }

  failed(): void {
    this.#failures.inc();
  }

  committed(milliseconds: number): void {
    this.#commits.observe(milliseconds / MILLISECONDS_PER_SECOND);
  }

  /** The page, and its content type. */
  async page(): Promise<{ readonly type: string; readonly text: string }> {
    await this.#refresh();
    this.#tell();
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #tell(): void {
    const { stored, duplicate, deliveries, redeliveries } = this.#untold;
    this.#untold = noFrames();
    if (stored > 0) this.#sends.inc({ result: 'stored' }, stored);
    if (duplicate > 0) this.#sends.inc({ result: 'duplicate' }, duplicate);
    this.#deliveries.inc(deliveries);
    this.#redeliveries.inc(redeliveries);
  }

  #counter<T extends string>(name: string, help: string, labelNames: T[] = []): Counter<T> {
    const registers = [this.#registry];
    return new Counter({ name: `agentmesh_hub_${name}`, help, labelNames, registers });
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name: `agentmesh_hub_${name}`, help, registers: [this.#registry] });
  }
}

function noFrames(): Record<'stored' | 'duplicate' | 'deliveries' | 'redeliveries', number> {
  return { stored: 0, duplicate: 0, deliveries: 0, redeliveries: 0 };
}
