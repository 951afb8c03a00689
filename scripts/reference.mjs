/**
 * Writes `docs/reference.md` from the code: options and events with the comments that stand above
 * them, and error codes with their texts, whether a retry can help, and what to do. With `--print`
 * it goes to the terminal. What lacks a sentence or a remedy ends it with a line for each.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Packages whose options users write, most used first; and those whose errors they meet. */
const OPTIONS_OF = ['agent', 'hub-client', 'hub-local', 'hub-server'];
const ERRORS_OF = ['agent', 'protocol', 'crypto', 'hub-client', 'hub-local', 'hub-server', 'cli'];

/** Where the options of these interfaces are passed; others are introduced by their own comment. */
const PASSED_TO = {
  AgentOptions: "`Agent.create('alice', options)`",
  NetworkHubOptions: '`new NetworkHub(options)`',
  LocalHubOptions: '`new LocalHub(options)`',
  RotationOptions: '`agent.rotateIdentity(keyPair, options)`',
  NetworkHubServerOptions: '`new NetworkHubServer(options)`',
  SqliteHubStoreOptions: '`SqliteHubStore.open(options)`',
  JetStreamHubStoreOptions:
    '`JetStreamHubStore.open(options)`, of `@agentmesh/hub-server/jetstream`',
  SqliteAgentStoreOptions: '`new SqliteAgentStore(path, options)`, of `@agentmesh/agent/node`',
};

/** Published sources of a package as syntax trees, by their path. */
function sourcesOf(name) {
  const folder = join(root, 'packages', name, 'src');
  return filesUnder(folder).map((path) => {
    const text = readFileSync(path, 'utf8');
    return ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  });
}

function filesUnder(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesUnder(path);
      return path.endsWith('.ts') && !path.endsWith('.test.ts') ? [path] : [];
    });
}

/** The TSDoc comment just above a node as one line without links; null if there is none. */
export function sentenceAbove(node) {
  const text = node.getSourceFile().text;
  const comments = ts.getLeadingCommentRanges(text, node.pos) ?? [];
  const last = comments.map(({ pos, end }) => text.slice(pos, end)).findLast(isTsDoc);
  if (last === undefined) return null;
  const words = last
    .slice(3, -2)
    .replaceAll(/\s*\n\s*\*?\s?/g, ' ')
    .replaceAll(/\s+/g, ' ');
  return words.replaceAll(/\{@link (\w+)\}/g, '`$1`').trim();
}

function isTsDoc(comment) {
  return comment.startsWith('/**');
}

/** Exported interfaces that a predicate chooses. */
function interfacesOf(sources, isWanted) {
  return sources.flatMap((source) =>
    source.statements.filter(
      (node) => ts.isInterfaceDeclaration(node) && isExported(node) && isWanted(node.name.text),
    ),
  );
}

function isExported(node) {
  return node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

/** Members of an interface: its own and those of interfaces of the same package it extends. */
function membersOf(node, sources) {
  const names = (node.heritageClauses ?? []).flatMap(({ types }) =>
    types.map(({ expression }) => expression.getText()),
  );
  const parents = interfacesOf(sources, (name) => names.includes(name));
  const own = node.members.filter(({ name }) => name !== undefined).map(memberOf);
  return [...own, ...parents.flatMap((parent) => membersOf(parent, sources))];
}

function memberOf(member) {
  const result = member.type?.getText() ?? 'unknown';
  const type = ts.isMethodSignature(member)
    ? `(${member.parameters.map((one) => one.getText()).join(', ')}) => ${result}`
    : result;
  return {
    name: member.name.getText(),
    type: type
      .replaceAll(/\s+/g, ' ')
      .replace(/ \| undefined$/, '')
      .replaceAll('readonly ', ''),
    required: member.questionToken === undefined,
    sentence: sentenceAbove(member),
    member,
  };
}

/** Every class of errors of a package with its codes, in the order of the source. */
export function errorClassesIn(source) {
  return source.statements.filter(isErrorClass).map((node) => {
    const table = tableFor(node.name.text, source);
    const codes = (table?.properties ?? []).map((property) => ({
      code: property.name.getText(),
      sentence: sentenceAbove(property),
    }));
    return {
      name: node.name.text,
      sentence: sentenceAbove(node),
      borrows: borrowsCode(node),
      codes,
    };
  });
}

/** Whether a class carries the code of another error, such as of its cause. */
function borrowsCode(node) {
  const member = node.members.find((one) => one.name?.getText() === 'code');
  return member?.type?.getText() === 'string';
}

function isErrorClass(node) {
  if (!ts.isClassDeclaration(node) || !isExported(node)) return false;
  const bases = (node.heritageClauses ?? []).flatMap(({ types }) => types);
  return bases.some(({ expression }) => expression.getText() === 'AgentMeshError');
}

/** The object that `code: XCode` of a class is a key of: `type XCode = keyof typeof TABLE`. */
function tableFor(className, source) {
  const node = source.statements.find(
    (one) => ts.isClassDeclaration(one) && one.name?.text === className,
  );
  const member = node?.members.find((one) => one.name?.getText() === 'code');
  const alias = source.statements.find(
    (one) => ts.isTypeAliasDeclaration(one) && one.name.text === member?.type?.getText(),
  );
  const tableName = /keyof typeof (\w+)/.exec(alias?.type.getText() ?? '')?.[1];
  const declarations = source.statements
    .filter(ts.isVariableStatement)
    .flatMap(({ declarationList }) => declarationList.declarations);
  let value = declarations.find(({ name }) => name.getText() === tableName)?.initializer;
  while (value !== undefined && !ts.isObjectLiteralExpression(value)) value = value.expression;
  return value;
}

/** What happened, and what to do: after the colon of the text, or in the comment above the code. */
export function remedyOf(message, sentence) {
  const at = message.indexOf(': ');
  if (sentence !== null) return { what: message, remedy: sentence };
  if (at < 0) return { what: message, remedy: null };
  const after = message.slice(at + 2);
  const remedy = /^[a-z]+\b(?!\()/.test(after) ? after[0].toUpperCase() + after.slice(1) : after;
  return { what: message.slice(0, at), remedy };
}

/** The classes of a package, with what an instance of each code says. */
async function errorsOf(name) {
  const found = [];
  for (const source of sourcesOf(name)) {
    const classes = errorClassesIn(source);
    if (classes.length === 0) continue;
    const path = source.fileName.replace(`${sep}src${sep}`, `${sep}dist${sep}`);
    const built = await import(pathToFileURL(path.replace(/\.ts$/, '.js')).href);
    for (const one of classes) {
      const codes = one.codes.map(({ code, sentence }) => {
        const { message, retryable } = new built[one.name](code);
        return { code, retryable, ...remedyOf(message, sentence) };
      });
      found.push({ ...one, codes, packageName: name, path: relative(root, source.fileName) });
    }
  }
  return found;
}

/** Codes that the command adds to those of the agent, which its errors carry too. */
async function controlCodes() {
  const built = await import(pathToFileURL(join(root, 'packages/cli/dist/control/error.js')).href);
  const [source] = sourcesOf('cli').filter(({ fileName }) => fileName.endsWith('control/error.ts'));
  let value = source.statements
    .filter(ts.isVariableStatement)
    .flatMap(({ declarationList }) => declarationList.declarations)
    .find(({ name }) => name.getText() === 'CONTROL_ERRORS').initializer;
  while (!ts.isObjectLiteralExpression(value)) value = value.expression;
  return value.properties.map((property) => {
    const code = property.name.getText();
    const { message, retryable, remedy } = built.controlError(code);
    const told = remedyOf(message, sentenceAbove(property));
    return { code, retryable, what: told.what, remedy: told.remedy ?? remedy };
  });
}

/** Every command with its options, as the parser has them; exit codes as the help says them. */
async function commandPart() {
  const built = await import(pathToFileURL(join(root, 'packages/cli/dist/command/run.js')).href);
  const nothing = () => undefined;
  const program = built.programOf({
    version: '0',
    print: nothing,
    complain: nothing,
    exit: nothing,
  });
  const source = readFileSync(join(root, 'packages/cli/src/command/run.ts'), 'utf8');
  const [, codes = ''] = /Exit codes: ([^`]*)\.`/.exec(source) ?? [];
  const exits = codes.split(/,\s+/).map((one) => {
    const [, code, meaning] = /^(\d+) ([\s\S]*)$/.exec(one) ?? [];
    return `| ${code} | ${ended(meaning ?? '')} |`;
  });
  const rows = rowsOfCommands(program, 'agentmesh');
  return [
    '## The command\n',
    'Commands of an agent also take `--profile` and `--keys`, which name it, and most of them take',
    '`--json`. `agentmesh schema COMMAND` prints the JSON Schema of what they print with it.\n',
    `| Command | What it does | Options |\n| --- | --- | --- |\n${rows.join('\n')}\n`,
    `| Exit code | Meaning |\n| --- | --- |\n${exits.join('\n')}\n`,
  ].join('\n');
}

const COMMON = ['--profile', '--keys', '--json'];

function rowsOfCommands(group, path) {
  return group.commands.flatMap((each) => {
    const name = `${path} ${each.name()}`;
    if (each.commands.length > 0) return rowsOfCommands(each, name);
    const options = each.options
      .filter(({ long }) => !COMMON.includes(long))
      .map(({ flags, description }) => `\`${flags}\`: ${description}`);
    const takes = each.usage().replace('[options]', '').trim();
    const usage = `\`${`${name} ${takes}`.trim()}\``;
    return [`| ${usage} | ${cell(ended(each.description()))} | ${cell(options.join('<br>'))} |`];
  });
}

/** Text in a cell of a table. */
function cell(text) {
  return text.replaceAll('|', '\\|');
}

/** A text with a full stop. */
function ended(text) {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

function optionsTable({ node, members }) {
  const name = node.name.text;
  const about = ended(sentenceAbove(node) ?? '');
  const passed = PASSED_TO[name] === undefined ? '' : `Passed to ${PASSED_TO[name]}. `;
  const rows = members.map(({ name: option, type, required, sentence: words }) => {
    const need = required ? ' (required)' : '';
    return `| \`${option}\`${need} | \`${cell(type)}\` | ${cell(ended(words ?? ''))} |`;
  });
  const head = '| Option | Type | Meaning |\n| --- | --- | --- |';
  return `### ${name}\n\n${passed}${about}\n\n${head}\n${rows.join('\n')}\n`;
}

function eventsTable(members) {
  const rows = members.map(({ name, sentence: words, member }) => {
    const fields = (member.type?.members ?? []).map(memberOf);
    const shape = fields.map((field) => `\`${field.name}\`: \`${cell(field.type)}\``).join('<br>');
    return `| \`${name}\` | ${cell(ended(words ?? ''))} | ${shape} |`;
  });
  return `| Event | When | Fields |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function errorsTable({ name, sentence: words, codes, packageName }) {
  const rows = codes.map(({ code, what, remedy, retryable }) => {
    const cells = [`\`${code}\``, cell(ended(what)), retryable ? 'yes' : 'no'];
    return `| ${[...cells, cell(ended(remedy ?? ''))].join(' | ')} |`;
  });
  const about = `From \`@agentmesh/${packageName}\`. ${ended(words ?? '')}`;
  if (codes.length === 0) return `### ${name}\n\n${about}\n`;
  const head = '| Code | Meaning | Retry | What to do |\n| --- | --- | --- | --- |';
  return `### ${name}\n\n${about}\n\n${head}\n${rows.join('\n')}\n`;
}

const HEAD = [
  '# Reference\n\nEvery option, event and error code. `node scripts/reference.mjs` writes this page ',
  'from the code, and a test compares the two. For explanations, read the [concepts](concepts.md); ',
  'for the values of limits, read [limits](limits.md); for the flags of `agentmesh-hub`, read ',
  '[Run a hub](self-hosting.md#flags).\n',
].join('');

const EVENTS = [
  '## Events\n\nListen with `agent.on(name, listener)`; the returned function stops listening. ',
  '`address` is the `am2…` address of an identity.\n\n',
].join('');

const ERRORS = [
  '## Errors\n\nEvery error that AgentMesh throws on purpose is an `AgentMeshError`. Branch on its ',
  '`code`, never on its text. _Retry_ says whether the same call can succeed later unchanged ',
  '(`error.retryable`). Texts may name more: the limit, the value or the address.\n',
].join('');

/** Everything that the page is made of. */
async function referenceParts() {
  const options = OPTIONS_OF.flatMap((name) => {
    const sources = sourcesOf(name);
    return interfacesOf(sources, (one) => one in PASSED_TO || isPublicOptions(one, name)).map(
      (node) => ({ node, members: membersOf(node, sources) }),
    );
  });
  const agent = sourcesOf('agent');
  const [events] = interfacesOf(agent, (name) => name === 'AgentEvents');
  const errors = [];
  for (const name of ERRORS_OF) errors.push(...(await errorsOf(name)));
  const control = errors.find(({ name }) => name === 'ControlError');
  control.codes = await controlCodes();
  const command = await commandPart();
  return { options: inOrder(options), events: membersOf(events, agent), errors, command };
}

/** Options that a door of the package exports. */
function isPublicOptions(name, packageName) {
  if (!name.endsWith('Options')) return false;
  const folder = join(root, 'packages', packageName, 'api');
  const reports = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'));
  return reports.some((text) => text.includes(`export interface ${name} `));
}

function inOrder(options) {
  const names = Object.keys(PASSED_TO);
  const rank = ({ node }) =>
    (names.indexOf(node.name.text) + names.length + 1) % (names.length + 1);
  return options.toSorted((one, other) => rank(one) - rank(other));
}

/** One line for each thing that nobody has explained. */
export function faultsOf({ options, events, errors }) {
  const undescribed = options.flatMap(({ node, members }) =>
    members
      .filter((member) => member.sentence === null)
      .map(({ name }) => `${node.name.text}.${name}: write a sentence in a comment above it`),
  );
  const silent = events
    .filter((event) => event.sentence === null)
    .map(({ name }) => `event ${name}: write a sentence in a comment above it`);
  const helpless = errors.flatMap(({ name, codes }) =>
    codes
      .filter(({ remedy }) => remedy === null)
      .map(({ code }) => `${name} ${code}: say what to do, after a colon in its text or above it`),
  );
  const empty = errors
    .filter(({ codes, borrows, sentence }) => codes.length === 0 && !(borrows && sentence))
    .map(({ name }) => `${name}: its codes are not found: let its code be a key of one table`);
  return [...undescribed, ...silent, ...helpless, ...empty];
}

/** The whole page. */
function referencePage({ options, events, errors, command }) {
  const parts = [
    HEAD,
    `## Options\n\n${options.map(optionsTable).join('\n')}`,
    `${EVENTS}${eventsTable(events)}`,
    command,
    `${ERRORS}\n${errors.map(errorsTable).join('\n')}`,
  ];
  return `<!-- prettier-ignore-start -->\n\n${parts.join('\n')}\n<!-- prettier-ignore-end -->\n`;
}

async function main() {
  const parts = await referenceParts();
  const faults = faultsOf(parts);
  if (faults.length > 0) {
    process.stderr.write(`${faults.join('\n')}\n`);
    process.exitCode = 1;
  }
  const page = referencePage(parts);
  if (process.argv.includes('--print')) process.stdout.write(page);
  else writeFileSync(join(root, 'docs', 'reference.md'), page);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
