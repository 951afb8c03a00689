/**
 * How long a program goes on: as long as it awaits something of an agent, or an agent has something
 * to do that was promised, and not longer. Each test runs a program as users write it, in a process
 * of its own, and looks at its output and exit code.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { NetworkHubServer } from '@agentmesh/hub-server';

const DOOR = new URL('../dist/index.js', import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), 'agentmesh-life-'));

afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  /** Null for a process that had to be ended. */
  readonly code: number | null;
  readonly out: string;
}

interface Program {
  readonly text: string;
  /** Ended, if it still runs then. */
  readonly limitMs?: number;
  /** Called with all that it has printed so far. */
  readonly onOutput?: (out: string) => void;
}

/** Runs a program that imports `Agent`, `LocalHub` and `NetworkHub`. */
function runProgram({ text, limitMs = 100_000, onOutput }: Program): Promise<Outcome> {
  const program = `import { Agent, LocalHub, NetworkHub } from '${DOOR}';\n${text}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
  const late = setTimeout(() => child.kill('SIGKILL'), limitMs);
  let out = '';
  child.stdout.on('data', (bytes: Buffer) => {
    out += String(bytes);
    onOutput?.(out);
  });
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(late);
      resolve({ code, out });
    });
  });
}

const PAIR = `
  const hub = new LocalHub();
  const alice = await Agent.create('alice', { hub });
  const bob = await Agent.create('bob', { hub, logLevel: 'silent' });`;

describe('a program with agents on a LocalHub goes on', () => {
  test.each(['delivered', 'handled'])('while it awaits `%s`', async (what) => {
    const text = `${PAIR}
      bob.onMessage(() => {});
      await (await alice.send('bob', 'hi')).${what};
      console.log('told');`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: 'told\n' });
  });

  test('while a receipt is awaited within a function that nobody awaits', async () => {
    const text = `(async () => {${PAIR}
      bob.onMessage(() => {});
      await Promise.all([(await alice.send('bob', 'hi')).handled]);
      console.log('told');
    })();`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: 'told\n' });
  });

  test('while it awaits the next of messages()', async () => {
    const text = `${PAIR}
      setTimeout(() => alice.send('bob', 'late'), 300).unref();
      const keep = bob.messages().next();
      console.log((await keep).value.text);`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: 'late\n' });
  });

  test('until 1,000 messages are sent at once and handled', async () => {
    const text = `${PAIR}
      let handled = 0;
      bob.onMessage(() => void handled++);
      process.on('exit', () => console.log(handled));
      await Promise.all(Array.from({ length: 1_000 }, (_, i) => alice.send('bob', 'm' + i)));
      console.log('sent');`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: 'sent\n1000\n' });
  });

  test('until a handler that failed has had its message again', async () => {
    const text = `${PAIR}
      let runs = 0;
      bob.onMessage(() => {
        console.log('run', ++runs);
        if (runs === 1) throw new RangeError('not today');
      });
      await alice.send('bob', 'hi');`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: 'run 1\nrun 2\n' });
  });

  test('while a handler runs', async () => {
    const text = `${PAIR}
      bob.onMessage(async () => {
        await new Promise((resolve) => setTimeout(resolve, 300).unref());
        console.log('done');
      });
      await alice.send('bob', 'hi');`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: 'done\n' });
  });
});

describe('a program with agents on a LocalHub ends', () => {
  test('when they only listen, and nobody else can write to them', async () => {
    const text = `${PAIR}
      bob.onMessage(() => {});
      alice.onMessage(() => {});`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: '' });
  });

  test('when nobody awaits the receipt that never comes', async () => {
    const text = `${PAIR}
      const { handled } = await alice.send('bob', 'hi');
      console.log(typeof handled);`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: 'object\n' });
  });

  test('when it took one message and asks for no other', async () => {
    const text = `${PAIR}
      const next = bob.messages().next();
      await alice.send('bob', 'one');
      console.log((await next).value.text);`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: 'one\n' });
  });

  test('when its agent is closed, whatever is awaited', async () => {
    const text = `${PAIR}
      const { handled } = await alice.send('bob', 'hi');
      const told = handled.catch(({ code }) => console.log(code));
      const next = bob.messages().next();
      await Promise.all([alice.close(), bob.close()]);
      await told;
      console.log((await next).done);`;
    expect(await runProgram({ text })).toEqual({ code: 0, out: 'CLOSED\ntrue\n' });
  });
});

/** Serves chunks without end, and ends when nobody has read any for a while. */
const ENDLESS = `
  let made = 0;
  bot.onStream(async function* () {
    for (;;) yield (made++, 'x'.repeat(1_000));
  });
  let before = -1;
  while (made === 0 || made !== before) {
    before = made;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await bot.close();
  console.log('closed', made < 300);`;

test('a program whose stream nobody reads ends when its agents are closed', async () => {
  const text = `
    const hub = new LocalHub();
    const alice = await Agent.create('alice', { hub, logLevel: 'silent' });
    const bot = await Agent.create('bot', { hub, logLevel: 'silent' });
    const stream = alice.stream('bot', 'x', { timeout: '1h' });
    const { result } = stream;
    const first = stream.next();
    ${ENDLESS}
    console.log((await first).value.length);
    await alice.close();
    await result.catch(({ code }) => console.log(code));`;
  expect(await runProgram({ text })).toEqual({ code: 0, out: 'closed true\n1000\nCLOSED\n' });
});

describe('a program with an agent on a hub in the network', () => {
  const bot = (port: number, more: string, keys = 'bot'): string => `
    const hub = new NetworkHub({ host: '127.0.0.1', port: ${port}, connectTimeoutMs: 500 });
    const keypairPath = ${JSON.stringify(join(folder, `${keys}.json`))};
    const bot = await Agent.create('bot', { hub, keypairPath, logLevel: 'silent' });
    ${more}`;

  test('that listens goes on while its hub is away from the start, until it is closed', async () => {
    const data = join(folder, 'hub');
    const first = await new NetworkHubServer({ data, port: 0 }).start();
    const { port } = first;
    expect(await runProgram({ text: bot(port, 'await bot.close();') })).toMatchObject({ code: 0 });
    await first.stop();
    const { promise: waited, resolve } = Promise.withResolvers<void>();
    const listening = `
      bot.onMessage(() => {});
      bot.on('connection', async ({ state }) => {
        console.log(state);
        if (state === 'online') await bot.close();
      });
      setTimeout(() => console.log('still here'), 3_000).unref();`;
    const running = runProgram({
      text: bot(port, listening),
      onOutput: (out) => void (out.includes('still here') && resolve()),
    });
    await Promise.race([waited, running]);
    const again = await new NetworkHubServer({ data, port }).start();
    try {
      const { code, out } = await running;
      expect(code).toBe(0);
      expect(out.split('\n')).toEqual(['offline', 'still here', 'online', 'ended', '']);
    } finally {
      await again.stop();
    }
  }, 60_000);

  test('that obeys "stop" by closing itself in its handler ends at once, and starts again', async () => {
    const hub = await new NetworkHubServer({
      data: join(folder, 'stop'),
      port: 0,
    }).start();
    try {
      const obeying = `
        bot.onMessage(async ({ text }) => {
          const began = performance.now();
          await bot.close();
          console.log(text, performance.now() - began < 2_000);
        });
        console.log('up');`;
      const { promise: up, resolve } = Promise.withResolvers<void>();
      const running = runProgram({
        text: bot(hub.port, obeying, 'obeying'),
        onOutput: () => resolve(),
      });
      await Promise.race([up, running]);
      const boss = `
        const hub = new NetworkHub({ host: '127.0.0.1', port: ${hub.port} });
        const boss = await Agent.create('boss', { hub });
        await (await boss.send('bot', 'stop')).handled;
        console.log('handled');
        await boss.close();`;
      const told = runProgram({ text: boss });
      expect(await running).toEqual({ code: 0, out: 'up\nstop true\n' });
      expect(await told).toEqual({ code: 0, out: 'handled\n' });
      const idle = `
        bot.onMessage(({ text }) => console.log('again', text));
        setTimeout(() => bot.close(), 1_000);`;
      expect(await runProgram({ text: bot(hub.port, idle, 'obeying') })).toEqual({
        code: 0,
        out: '',
      });
    } finally {
      await hub.stop();
    }
  }, 60_000);

  test('whose stream is not read, nor its reader there any more, ends when it is closed', async () => {
    const hub = await new NetworkHubServer({ data: join(folder, 'unread'), port: 0 }).start();
    try {
      const { promise: up, resolve } = Promise.withResolvers<void>();
      const running = runProgram({
        text: bot(hub.port, `console.log('up');${ENDLESS}`, 'unread'),
        onOutput: () => resolve(),
      });
      await Promise.race([up, running]);
      const reader = `
        const hub = new NetworkHub({ host: '127.0.0.1', port: ${hub.port} });
        const reader = await Agent.create('reader', { hub, logLevel: 'silent' });
        const stream = reader.stream('bot', 'x', { timeout: '1h' });
        console.log((await stream.next()).value.length);
        process.kill(process.pid, 'SIGKILL');`;
      expect(await runProgram({ text: reader })).toEqual({ code: null, out: '1000\n' });
      expect(await running).toEqual({ code: 0, out: 'up\nclosed true\n' });
    } finally {
      await hub.stop();
    }
  }, 60_000);
});
