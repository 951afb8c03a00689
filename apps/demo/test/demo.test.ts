import { describe, expect, test } from '@jest/globals';
import { demo, EXAMPLES } from '../src/demo.js';
import { recorder } from './screen.js';

describe('the command', () => {
  test('runs all five examples in their order and ends with 0', async () => {
    const screen = recorder();
    expect(await demo([], screen, {})).toBe(0);
    const titles = EXAMPLES.map(({ name, title }) => `\n${name}: ${title}\n`);
    const places = titles.map((title) => screen.text.indexOf(title));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places.every((place) => place > 0)).toBe(true);
    expect(
      screen.text.match(/what the agents saw +│ what the hub saw: size, ciphertext/g),
    ).toHaveLength(4);
    expect(screen.text).not.toContain('✗');
  }, 60_000);

  test('runs only what is named, by number or whole name, also behind a --', async () => {
    const screen = recorder();
    expect(await demo(['--', '03', '01-simple-chat'], screen, {})).toBe(0);
    expect(screen.text).toMatch(/03-persistent-keys[\s\S]*01-simple-chat/);
    expect(screen.text).not.toMatch(/02-multi-agent|04-llm-agents/);
  });

  test('a failing example is one line and ends with 1; the later ones still run', async () => {
    const screen = recorder();
    const env = { OPENAI_BASE_URL: 'http://127.0.0.1/v1' };
    expect(await demo(['04', '01'], screen, env)).toBe(1);
    expect(screen.text).toContain(
      '✗ 04-llm-agents failed: OPENAI_BASE_URL is set: set OPENAI_MODEL too\n',
    );
    expect(screen.text).toMatch(/01-simple-chat[\s\S]*what the hub saw/);
  });

  test.each([['06'], ['0'], [''], ['--loud'], ['01', 'x']])(
    '%j is refused with 2 before anything runs',
    async (...args) => {
      const screen = recorder();
      expect(await demo(args, screen, {})).toBe(2);
      expect(screen.text).toMatch(/^✗ .*\(try --help\)\n$/);
    },
  );

  test('--help names every example and variable, runs nothing and ends with 0', async () => {
    const screen = recorder();
    expect(await demo(['--help'], screen, {})).toBe(0);
    for (const { name, title } of EXAMPLES)
      expect(screen.text).toContain(`${name.padEnd(20)} ${title}`);
    expect(screen.text).toContain('OPENAI_MODEL');
    expect(screen.text).not.toContain('hub saw');
  });
});

describe('colours', () => {
  const escape = '\u001b[';
  const run = async (settings: { isTTY?: boolean }, env: Record<string, string>) => {
    const screen = recorder({ ...settings, columns: 80 });
    await demo(['01'], screen, env);
    return screen.text;
  };

  test('are there on a terminal, and nowhere else', async () => {
    expect(await run({ isTTY: true }, {})).toContain(escape);
    expect(await run({}, {})).not.toContain(escape);
  });

  test('are left out when NO_COLOR is set', async () => {
    expect(await run({ isTTY: true }, { NO_COLOR: '1' })).not.toContain(escape);
    expect(await run({ isTTY: true }, { NO_COLOR: '' })).toContain(escape);
  });

  test('do not make a line of the table wider than the screen', async () => {
    const lines = (await run({}, {})).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});
