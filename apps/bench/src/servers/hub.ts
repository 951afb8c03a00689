/**
 * Our hub as a process to be measured: the server of the `agentmesh-hub` command with its durable
 * store and its defaults. Arguments: folder, port. Ends well on SIGTERM, so that a profile is
 * written.
 */
import process from 'node:process';

import { NetworkHubServer } from '@agentmesh/hub-server';

const [folder = '', port = '0'] = process.argv.slice(2);
const server = new NetworkHubServer({
  data: folder,
  port: Number(port),
});
await server.start();
process.once('SIGTERM', () => {
  void server.stop().then(() => process.exit(0));
});
