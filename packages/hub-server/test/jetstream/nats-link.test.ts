/**
 * Reading a part of a stream, where the place to begin is not there yet: as on a replica that lags
 * behind the one that has just answered.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NatsLink } from '../../src/jetstream/nats-link.js';
import { hasNats, NatsNode } from './nats-process.js';

const plan = { name: 'lagging', subject: 'lagging.*', perSubject: -1 };
const place = { stream: plan.name, subject: plan.subject, headersOnly: false };

if (hasNats()) {
  let nats: NatsNode;
  let link: NatsLink;
  beforeAll(async () => {
    nats = await NatsNode.single();
    const onClosed = (): void => undefined;
    link = await NatsLink.open({ connection: { servers: nats.url }, patienceMs: 5_000, onClosed });
  });
  afterAll(async () => {
    await link.close();
    await nats.dispose();
  });

  test('a reader gives nothing from before the place where it should begin', async () => {
    await link.ensureStream(plan, 1);
    const publish = () => link.publish('lagging.a', new Uint8Array(1));
    for (let n = 0; n < 2; n++) await publish();
    const reader = await link.openReader({ ...place, from: 5 });
    for (let n = 0; n < 4; n++) await publish();
    expect((await link.read(reader, 10)).map(({ seq }) => seq)).toEqual([5, 6]);
  });
} else {
  describe('NatsLink', () => {
    test.skip('needs nats-server, which is not installed and could not be', () => {
      expect(hasNats()).toBe(true);
    });
  });
}
