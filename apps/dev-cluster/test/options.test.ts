import { describe, expect, test } from '@jest/globals';
import { devCluster } from '../src/dev-cluster.js';
import { findNatsServer } from '../src/nats-server.js';
import { readOptions } from '../src/options.js';
import { planOf, portsOf } from '../src/plan.js';

const defaults = readOptions([])!;
const free = Array.from({ length: 40 }, (_, at) => 50_000 + at);

async function runWith(args: readonly string[]) {
  const said: string[] = [];
  const complaints: string[] = [];
  const code = await devCluster({
    args,
    say: (text) => said.push(text),
    complain: (text) => complaints.push(text),
    onSignal: () => undefined,
  });
  return { code, said: said.join('\n'), complaints };
}

describe('the flags', () => {
  test.each([
    [['--port', '70000'], '--port'],
    [['--nats-port', 'x'], '--nats-port'],
    [['--hubs', '0'], '--hubs'],
    [['--hubs', '9'], '--hubs'],
    [['--nodes', '2'], '--nodes is 1, 3 or 5'],
    [['--nodes', '7'], '--nodes'],
    [['--data', ''], '--data'],
    [['--loud'], '--loud'],
    [['hub'], 'hub'],
  ])('%j is refused with 2 and one line', async (args, what) => {
    const { code, said, complaints } = await runWith(args);
    expect(code).toBe(2);
    expect(complaints).toEqual([expect.stringContaining(what)]);
    expect(complaints[0]).toContain('--help');
    expect(said).toBe('');
  });

  test('--help names every flag and how to get nats-server, and starts nothing', async () => {
    const { code, said } = await runWith(['--', '--help']);
    expect(code).toBe(0);
    for (const name of Object.keys(defaults)) {
      expect(said).toContain(`--${name.replace('natsPort', 'nats-port')} `);
    }
    expect(said).toContain('nats-server');
  });
});

describe('a machine without nats-server', () => {
  test('is told how to get it', () => {
    expect(() => findNatsServer(['/nowhere/nats-server'])).toThrow(/apt-get install nats-server/);
  });
});

describe('the plan', () => {
  test('gives ports that follow each other, or free ones', () => {
    expect(portsOf(defaults, free)).toEqual({
      clients: [4222, 4223, 4224],
      monitors: [4322, 4323, 4324],
      peers: [4422, 4423, 4424],
      hubs: [7700, 7701],
    });
    const any = portsOf({ ...defaults, port: 0, natsPort: 0 }, free);
    expect(Object.values(any).flat()).toEqual(free.slice(0, 11));
  });

  test('makes a cluster of several nodes, and none of one', () => {
    const one = { ...defaults, nodes: 1 };
    expect(planOf(one, portsOf(one, free), '').nodes[0]?.config).not.toContain('cluster {');
    const { nodes, hubs } = planOf(defaults, portsOf(defaults, free), 'sync_interval: always');
    for (const { config } of nodes) {
      expect(config).toContain('127.0.0.1:4424');
      expect(config).toContain('sync_interval: always');
    }
    expect(hubs.map(({ args }) => args.join(' '))).toEqual([
      expect.stringContaining('nats://127.0.0.1:4222,127.0.0.1:4223,127.0.0.1:4224'),
      expect.stringContaining('--port 7701'),
    ]);
  });
});
