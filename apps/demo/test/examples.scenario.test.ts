import { existsSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { simpleChat } from '../src/01-simple-chat.js';
import { countPrimes, multiAgent } from '../src/02-multi-agent.js';
import { persistentKeys } from '../src/03-persistent-keys.js';
import { llmAgents } from '../src/04-llm-agents.js';
import { networkHub } from '../src/05-network-hub.js';
import { startLocalLlm } from '../src/llm/server.js';
import { Show } from '../src/show.js';
import type { Row } from '../src/table.js';
import { recorder } from './screen.js';

const applicationRows = (rows: readonly Row[]) => rows.filter((row) => row.agents !== null);
const texts = (rows: readonly Row[]) =>
  applicationRows(rows).map(({ agents }) => `${agents?.from} → ${agents?.to}: ${agents?.text}`);

describe('01 simple chat', () => {
  test('every message arrives and is answered; the hub saw ciphertext of each', async () => {
    const screen = recorder();
    const rows = await simpleChat(new Show(screen));
    expect(texts(rows).toSorted()).toEqual([
      'alice → bob: Hello Bob!',
      'alice → bob: The build is green.',
      'bob → alice: You said: Hello Bob!',
      'bob → alice: You said: The build is green.',
    ]);
    for (const { agents, hub, ciphertext } of applicationRows(rows)) {
      expect(hub).toMatchObject({ from: agents?.from, to: agents?.to });
      expect(hub.bytes).toBeGreaterThan(300);
      expect(ciphertext).toMatch(/^([0-9a-f]{2} ){5}[0-9a-f]{2}$/);
    }
    expect(new Set(rows.map(({ ciphertext }) => ciphertext)).size).toBe(rows.length);
    expect(screen.text).toMatch(/alice is ([0-9a-f]{4}:){7}[0-9a-f]{4}\n/);
  });
});

describe('02 multi agent', () => {
  test('four workers each answer, and the sum is the known number of primes', async () => {
    const { primes, byWorker, rows } = await multiAgent(new Show(recorder()));
    // There are 9,592 primes below 100,000.
    expect(primes).toBe(9592);
    expect([...byWorker.keys()].toSorted()).toEqual([
      'worker-1',
      'worker-2',
      'worker-3',
      'worker-4',
    ]);
    expect(applicationRows(rows)).toHaveLength(8);
  });

  test('primes are counted with the lower bound and without the upper one', () => {
    expect([countPrimes(0, 10), countPrimes(7, 11), countPrimes(7, 12)]).toEqual([4, 1, 2]);
  });
});

describe('03 persistent keys', () => {
  test('both runs have the same fingerprints, two different ones, and no file stays', async () => {
    const screen = recorder();
    const { first, second, folder } = await persistentKeys(new Show(screen));
    expect(second).toEqual(first);
    expect(new Set(first).size).toBe(2);
    expect(existsSync(folder)).toBe(false);
    expect(screen.text).toContain('mode 600');
  });

  test('what bob had not read in the first run he reads in the second, each once', async () => {
    const screen = recorder();
    const { unread } = await persistentKeys(new Show(screen));
    expect(unread).toEqual(['The tests are green.', 'I have tagged the release.']);
    expect(screen.text).toMatch(/stops with 2 messages unread[^]*alice → bob +The tests/);
  });

  test('another start has other fingerprints', async () => {
    const runs = [await persistentKeys(new Show(recorder()))];
    runs.push(await persistentKeys(new Show(recorder())));
    expect(new Set(runs.flatMap(({ first }) => first)).size).toBe(4);
  });
});

describe('04 LLM agents', () => {
  test('without an endpoint a local server answers, and the output says so', async () => {
    const screen = recorder();
    const { model, notes, draft, verdict, rows } = await llmAgents(new Show(screen), {});
    expect(screen.text).toContain('a local server answers instead');
    expect(screen.text).toContain('is no language model');
    expect(model).toBe('sentence-picker');
    expect(notes.split('\n')).toHaveLength(3);
    for (const note of notes.split('\n')) expect(draft).toContain(note.slice(2));
    expect(verdict).toMatch(/^APPROVED: /);
    expect(applicationRows(rows).map(({ hub }) => `${hub.from} → ${hub.to}`)).toEqual([
      'desk → researcher',
      'researcher → llm',
      'researcher → writer',
      'writer → llm',
      'writer → reviewer',
      'reviewer → llm',
      'reviewer → desk',
    ]);
  });

  test('the answers stream from the agent that has the model, and are shown as they come', async () => {
    const screen = recorder();
    const { rows } = await llmAgents(new Show(screen), {});
    for (const agent of ['researcher', 'writer', 'reviewer']) {
      const streamed = rows.filter(({ hub }) => hub.from === 'llm' && hub.to === agent);
      expect(streamed.length).toBeGreaterThan(1);
      expect(streamed.every(({ agents, isStreamed }) => agents === null && isStreamed)).toBe(true);
    }
    expect(screen.pieces).toContain(' lens');
    expect(screen.text).toMatch(/^notes: {3}- [^\n]+\n {9}- [^\n]+\n {9}- [^\n]+\ndraft: {3}The/m);
    expect(screen.text).toMatch(/llm → researcher {2}\(\d+ envelopes of a stream\)/);
  });

  test('the endpoint and the model of the environment are the ones that are asked', async () => {
    const server = await startLocalLlm();
    const screen = recorder();
    const env = {
      OPENAI_BASE_URL: server.baseUrl,
      OPENAI_API_KEY: server.apiKey,
      OPENAI_MODEL: server.model,
    };
    const { verdict } = await llmAgents(new Show(screen), env);
    expect(verdict).toMatch(/^APPROVED: /);
    expect(screen.text).toContain(`Model sentence-picker at ${server.baseUrl}.`);
    expect(screen.text).not.toContain('a local server answers');
    await server.close();
  });

  test('a refusal by the endpoint ends the pipeline and names the reason', async () => {
    const server = await startLocalLlm();
    const env = {
      OPENAI_BASE_URL: server.baseUrl,
      OPENAI_API_KEY: 'x',
      OPENAI_MODEL: server.model,
    };
    await expect(llmAgents(new Show(recorder()), env)).rejects.toThrow(
      /researcher: llm answered MODEL_FAILED: 401 .*API key/,
    );
    await server.close();
  });
});

describe('05 network hub', () => {
  test('four processes: a message to an agent that was away arrives when it is back', async () => {
    const screen = recorder();
    expect(await networkHub(new Show(screen))).toBe('alice: Are you there? I will wait.');
    expect(screen.text).toMatch(
      /has gone[^]*alice .* sent[^]*bob .* received[^]*alice .* delivered/,
    );
  });
});
