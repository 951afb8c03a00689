/**
 * `pnpm way`: what one message runs through in an established session, from `agent.send` to the
 * handler and back to `handled`. Counts by V8's coverage the files, named functions and classes of
 * the built packages that ran, over a hub in the same process. Reads `dist`: build first.
 *
 *   pnpm way            the table
 *   pnpm way --list     also every file, with its functions
 *   pnpm way --json     the counts alone, for the repository test
 */
import { readFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { relative, sep } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';

// Files are counted, not the bundles made of them.
import './unbundled.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const SOURCE = /^packages\/([^/]+)\/dist\/(.+)\.js$/;

/** Sends until both sides have answered in the session, then once more while V8 counts. */
async function oneMessage() {
  const { Agent } = await import('@agentmesh/agent');
  const { LocalHub, systemHost } = await import('@agentmesh/hub-local');
  // Agents keep no process alive by their timers.
  const awake = setInterval(() => {}, 1_000);
  // What a hub looks after from time to time is no part of a message's way.
  const hub = new LocalHub({ host: { ...systemHost, every: () => () => {} } });
  const alice = await Agent.create('alice', { hub, logLevel: 'silent' });
  const bob = await Agent.create('bob', { hub, logLevel: 'silent' });
  for (const agent of [alice, bob]) agent.onMessage(() => {});
  const say = async (from, to) => (await from.send(to, 'hello')).handled;
  for (let round = 0; round < 3; round++) {
    await say(alice, 'bob');
    await say(bob, 'alice');
  }
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  await session.post('Profiler.takePreciseCoverage');
  await say(alice, 'bob');
  const { result } = await session.post('Profiler.takePreciseCoverage');
  session.disconnect();
  await alice.close();
  await bob.close();
  clearInterval(awake);
  return result;
}

/** One row for each built file of ours that ran. */
function rowsOf(result) {
  return result.flatMap(({ url, functions }) => {
    if (!url.startsWith('file:')) return [];
    const file = fileURLToPath(url);
    const match = SOURCE.exec(relative(root, file).split(sep).join('/'));
    const helpers = functions.filter(({ functionName }) => functionName.startsWith('__'));
    const ran = functions.filter(hasRun).filter((each) => !helpers.some((one) => isIn(one, each)));
    if (match === null || ran.length === 0) return [];
    const [, name, module] = match;
    return [{ package: name, file: `${module}.ts`, ran, classes: classesOf(file, ran) }];
  });
}

/** Callbacks without a name belong to the function that they stand in. */
function hasRun({ functionName, ranges: [{ count, startOffset }] }) {
  const isNamed = functionName !== '' && !functionName.startsWith('<');
  return isNamed && count > 0 && startOffset > 0;
}

/** Whether a function stands in another one, or is it: such as in what the compiler has added. */
function isIn({ ranges: [outer] }, { ranges: [inner] }) {
  return outer.startOffset <= inner.startOffset && inner.endOffset <= outer.endOffset;
}

/** The classes of which a method ran. */
function classesOf(file, ran) {
  const classes = [];
  const visit = (node) => {
    const isRunning = ({ ranges: [{ startOffset }] }) =>
      node.pos <= startOffset && startOffset < node.end;
    if (ts.isClassLike(node) && ran.some(isRunning)) classes.push(node.name?.text);
    ts.forEachChild(node, visit);
  };
  const text = readFileSync(file, 'utf8');
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2023));
  return classes;
}

const sum = (rows, of) => rows.reduce((total, row) => total + of(row), 0);
const countsOf = (rows) => ({
  files: rows.length,
  functions: sum(rows, ({ ran }) => ran.length),
  classes: sum(rows, ({ classes }) => classes.length),
});

function line(name, { files, functions, classes }) {
  const cells = [files, functions, classes].map((count) => String(count).padStart(10));
  return `${name.padEnd(14)}${cells.join('')}`;
}

function print(rows) {
  const names = new Set(rows.map((row) => row.package));
  console.log(`${''.padEnd(14)}     files functions   classes`);
  for (const name of names) {
    console.log(line(name, countsOf(rows.filter((row) => row.package === name))));
  }
  console.log(line('together', countsOf(rows)));
}

function printList(rows) {
  for (const { package: name, file, ran } of rows.toSorted((a, b) => (a.file < b.file ? -1 : 1))) {
    console.log(`${name}/src/${file}: ${ran.map((each) => each.functionName).join(', ')}`);
  }
}

const rows = rowsOf(await oneMessage());
if (process.argv.includes('--json')) console.log(JSON.stringify(countsOf(rows)));
else print(rows);
if (process.argv.includes('--list')) printList(rows);
