import { LocalHub, MemoryHubStore } from '@agentmesh/hub-local';
import { hubCompliance, hubQueueModel, ManualHost } from '../src/index.js';
import type { HubSetup, HubUnderTest } from '../src/index.js';

function startLocalHub(setup: HubSetup): Promise<HubUnderTest> {
  const store = new MemoryHubStore();
  const host = new ManualHost();
  const make = () => new LocalHub({ store, host, ...setup });
  let hub = make();
  return Promise.resolve({
    get hub() {
      return hub;
    },
    clock: host.clock,
    open: (client) => hub.open(client),
    rest: () => host.rest(),
    advance: (ms) => host.advance(ms),
    jump: (ms) => host.jump(ms),
    async restart() {
      await hub.close();
      await host.rest();
      hub = make();
    },
    stop: () => hub.close(),
  });
}

hubCompliance('LocalHub', startLocalHub);
hubQueueModel('LocalHub', startLocalHub);
