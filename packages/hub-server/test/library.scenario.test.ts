import { expect, test } from '@jest/globals';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NetworkHubServer } from '../src/index.js';

test('a server with nothing but a folder keeps its store there, and its key over a restart', async () => {
  const data = await mkdtemp(join(tmpdir(), 'agentmesh-server-'));
  const server = await new NetworkHubServer({ port: 0, data }).start();
  const { hubKey } = server;
  expect(await readdir(data)).toContain('hub.db');
  await server.stop();
  const again = await new NetworkHubServer({ port: 0, data }).start();
  expect(again.hubKey).toEqual(hubKey);
  await again.stop();
  await rm(data, { recursive: true });
});
