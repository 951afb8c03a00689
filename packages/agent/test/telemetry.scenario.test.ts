/**
 * Spans of OpenTelemetry, with the real API and an exporter in memory: one trace over all agents,
 * which travels inside the encryption, and nothing of what was said. One story per test.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as api from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { openTelemetry } from '../src/index.js';
import { acquainted } from './two-agents.js';
import { World } from './world.js';
import type { Resident } from './world.js';

const exporter = new InMemorySpanExporter();

beforeAll(() => {
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  api.trace.setGlobalTracerProvider(provider);
});

afterAll(() => {
  api.trace.disable();
  api.context.disable();
});

beforeEach(() => exporter.reset());

function traced({ agent }: Resident): void {
  const spans = openTelemetry(api);
  agent.use(spans);
  agent.outgoing.use(spans);
}

/** Spans by name, each with the name of what it belongs to. */
function tree(): string[] {
  const spans = exporter.getFinishedSpans();
  const names = new Map(spans.map((span) => [span.spanContext().spanId, span.name]));
  const parentOf = ({ parentSpanContext: parent }: ReadableSpan): string =>
    parent === undefined ? 'nothing' : (names.get(parent.spanId) ?? parent.spanId);
  return spans.map((span) => `${span.name} in ${parentOf(span)}`).toSorted();
}

const traces = (): Set<string> =>
  new Set(exporter.getFinishedSpans().map((span) => span.spanContext().traceId));

describe.each([
  ['with a context manager', true],
  ['without one', false],
])('%s', (_, isManaged) => {
  beforeAll(() => {
    api.context.disable();
    if (isManaged) api.context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  });

  test('a request, and what its handler asks and sends, are one trace over three agents', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    const carol = await world.agentWithoutHandler('carol');
    for (const each of [alice, bob, carol]) traced(each);
    carol.agent.onRequest(() => ({ text: 'fine' }));
    carol.agent.onMessage(() => {});
    bob.agent.onRequest(async () => {
      await bob.agent.send('carol', 'for your eyes only');
      return bob.agent.request('carol', 'how are you?', { timeout: '1m' });
    });
    const answer = alice.agent.request('bob', 'hello', { timeout: '10m' });
    expect(await world.finish(answer)).toMatchObject({ text: 'fine' });
    await world.advance(5_000);
    // The request's handler and the message's are siblings: one is in `call`, the other in `send`.
    expect(tree()).toEqual(
      isManaged
        ? [
            'call in nothing',
            'call in process',
            'process in call',
            'process in call',
            'process in send',
            'send in process',
          ]
        : [
            'call in call',
            'call in nothing',
            'process in call',
            'process in call',
            'process in send',
            'send in call',
          ],
    );
    expect(traces().size).toBe(1);
    const told = JSON.stringify(exporter.getFinishedSpans().map(({ attributes }) => attributes));
    expect(told).toContain('"agentmesh.peer":"bob"');
    expect(told).not.toMatch(/hello|eyes|fine/u);
  });

  test('a stream has one span until its end, and an error its code', async () => {
    await using world = await World.create();
    const { alice, bob } = await acquainted(world);
    for (const each of [alice, bob]) traced(each);
    bob.agent.onStream(async function* (_request, context) {
      yield 'one';
      throw context.error('PAYWALL', { price: 3 }, { message: 'the secret price' });
    });
    const stream = alice.agent.stream('bob', 'x');
    expect(await world.finish(stream.next())).toMatchObject({ value: 'one' });
    expect(exporter.getFinishedSpans().filter(({ name }) => name === 'stream')).toEqual([]);
    await expect(world.finish(stream.next())).rejects.toMatchObject({ code: 'PAYWALL' });
    await world.rest();
    expect(tree()).toEqual(['process in stream', 'stream in nothing']);
    for (const { attributes, status } of exporter.getFinishedSpans()) {
      expect(attributes).toMatchObject({ 'error.type': 'PAYWALL', 'agentmesh.kind': 'stream' });
      expect(status).toEqual({ code: api.SpanStatusCode.ERROR, message: 'PAYWALL' });
    }
  });
});

test('a message that is not sent ends its span with its code', async () => {
  await using world = await World.create();
  const { alice } = await acquainted(world);
  traced(alice);
  alice.agent.outgoing.use(() => undefined);
  await expect(world.finish(alice.agent.send('bob', 'x'))).rejects.toMatchObject({
    code: 'NOT_SENT',
  });
  await world.rest();
  expect(exporter.getFinishedSpans()).toMatchObject([
    { name: 'send', attributes: { 'error.type': 'NOT_SENT' } },
  ]);
});

test('a trace that others began goes on, with their trace state', async () => {
  await using world = await World.create();
  const { alice, bob } = await acquainted(world);
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const received: unknown[] = [];
  alice.agent.outgoing.use(async (context, next) => {
    context.trace = { parent, state: 'vendor=1' };
    await next();
  });
  traced(bob);
  bob.agent.use(async (context, next) => {
    received.push(context.trace);
    return next();
  });
  bob.agent.onMessage(() => {});
  await world.finish(alice.agent.send('bob', 'x'));
  await world.advance(1_000);
  expect(received).toEqual([{ parent, state: 'vendor=1' }]);
  const [span] = exporter.getFinishedSpans();
  expect(span?.spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c');
  expect(span?.spanContext().traceState?.serialize()).toBe('vendor=1');
});
