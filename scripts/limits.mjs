/**
 * Writes `docs/limits.md` from the code: each limit with the value that the built package exports
 * and the reason that stands beside it in the source; with `--print` it goes to the terminal.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { LIMITS } from '@agentmesh/crypto';
import { CORE_LIMITS } from '@agentmesh/hub-local';
import { PROTOCOL_LIMITS } from '@agentmesh/protocol';

// An agent's own limits are nobody's to change, so no door leads to them.
import { AGENT_LIMITS } from '../packages/agent/dist/ground/limits.js';

const root = fileURLToPath(new URL('..', import.meta.url));

const tables = [
  {
    title: 'Records, messages and ratchet',
    about: '`LIMITS` of `@agentmesh/crypto`. Every agent keeps to them.',
    values: LIMITS,
    source: 'packages/crypto/src/limits.ts',
  },
  {
    title: 'Frames, connections and hubs',
    about:
      '`PROTOCOL_LIMITS` of `@agentmesh/protocol`: the most that a hub allows. It may allow less.',
    values: PROTOCOL_LIMITS,
    source: 'packages/protocol/src/limits.ts',
  },
  {
    title: 'Inside an agent',
    about: 'What `@agentmesh/agent` keeps, waits for and accepts. They cannot be changed.',
    values: AGENT_LIMITS,
    source: 'packages/agent/src/ground/limits.ts',
  },
  {
    title: 'Inside a hub',
    about:
      '`CORE_LIMITS` of `@agentmesh/hub-local`, without those above. An operator can lower every limit of a hub, and raise those that cost its own machine alone: rates, connections, lengths of queues and the memory for them.',
    values: Object.fromEntries(
      Object.entries(CORE_LIMITS).filter(([name]) => !(name in PROTOCOL_LIMITS)),
    ),
    source: 'packages/hub-local/src/core-limits.ts',
  },
];

/** The comment just above each property, as one line. */
function reasonsIn(source) {
  const text = readFileSync(join(root, source), 'utf8');
  const comments = text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(\w+):/g);
  return new Map(
    [...comments].map(([, words, name]) => [
      name,
      words.replaceAll(/\s*\n?\s*\*?\s+/g, ' ').trim(),
    ]),
  );
}

function tableOf({ title, about, values, source }) {
  const reasons = reasonsIn(source);
  const rows = Object.entries(values).map(([name, value]) => {
    const reason = reasons.get(name);
    return `- \`${name}\`: **${value.toLocaleString('en')}**${reason ? `. ${reason}` : ''}`;
  });
  return `## ${title}\n\n${about}\n\n${rows.join('\n')}\n`;
}

/** The whole document. */
function limitsDocument() {
  const head =
    '# Limits\n\nEvery limit with its value and the reason for it. ' +
    '`node scripts/limits.mjs` writes this ' +
    'page from the code, and a test compares the two. Names that end in `Ms` are in milliseconds, ' +
    'in `Seconds` in seconds, in `Bytes` in bytes.\n';
  return [head, ...tables.map(tableOf)].join('\n');
}

if (process.argv.includes('--print')) process.stdout.write(limitsDocument());
else writeFileSync(join(root, 'docs', 'limits.md'), limitsDocument());
