/**
 * The hub's counts as a page for Prometheus. Owns names and meanings of the metrics, and the
 * library that writes them: loaded by `hub-metrics`, and only in a hub that serves metrics.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { HubCounts, MetricSources } from './hub-metrics.js';

const MILLISECONDS_PER_SECOND = 1_000;

/** One registry per server: two servers in one process do not meet. */
export class HubInstruments {
  readonly #registry = new Registry();
  readonly #sources: MetricSources;
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
  readonly #connections = this.#gauge('connections', 'Open connections');
  readonly #agents = this.#gauge('agents', 'Registered names');
  readonly #envelopes = this.#gauge('queued_envelopes', 'Envelopes waiting for their recipients');
  readonly #bytes = this.#gauge('queued_bytes', 'Bytes of those envelopes');
  readonly #dead = this.#gauge('dead_lettered', 'Envelopes dead-lettered since the store exists');

  constructor(sources: MetricSources) {
    this.#sources = sources;
    collectDefaultMetrics({ register: this.#registry });
  }

  /** Adds what was counted since the last call. */
  tell({ frames, refusals, accepted, failures, commitTimes }: HubCounts): void {
    const { stored, duplicate, deliveries, redeliveries } = frames;
    if (stored > 0) this.#sends.inc({ result: 'stored' }, stored);
    if (duplicate > 0) this.#sends.inc({ result: 'duplicate' }, duplicate);
    this.#deliveries.inc(deliveries);
    this.#redeliveries.inc(redeliveries);
    this.#failures.inc(failures);
    for (const [code, count] of refusals) this.#refusals.inc({ code }, count);
    for (const [transport, count] of accepted) this.#accepted.inc({ transport }, count);
    for (const ms of commitTimes) this.#commits.observe(ms / MILLISECONDS_PER_SECOND);
  }

  /** The page, and its content type. Gauges are read when somebody asks. */
  async page(): Promise<{ readonly type: string; readonly text: string }> {
    this.#connections.set(this.#sources.connections());
    const counts = await this.#sources.counts();
    this.#agents.set(counts.agents);
    this.#envelopes.set(counts.envelopes);
    this.#bytes.set(counts.bytes);
    this.#dead.set(counts.deadLettered);
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #counter<T extends string>(name: string, help: string, labelNames: T[] = []): Counter<T> {
    const registers = [this.#registry];
    return new Counter({ name: `agentmesh_hub_${name}`, help, labelNames, registers });
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name: `agentmesh_hub_${name}`, help, registers: [this.#registry] });
  }
}
