/**
 * One of several hubs over one NATS, as a process to be measured; no rate limits per sender.
 * Arguments: folder (not used), port, file of the key that all hubs share, address of NATS.
 */
import process from 'node:process';

import { NetworkHubServer } from '@agentmesh/hub-server';
import { JetStreamHubStore } from '@agentmesh/hub-server/jetstream';

const [, port = '0', hubKeyFile = '', servers = ''] = process.argv.slice(2);
const store = await JetStreamHubStore.open({ servers, hubKeyFile });
const server = new NetworkHubServer({ store, port: Number(port), unboundedRates: true });
await server.start();
process.once('SIGTERM', () => {
  void server.stop().then(() => process.exit(0));
});
