/**
 * The floor plans of packages: which folder or file stands above which. Owns the plans and the
 * judgement that no import goes up, type imports included, and that no files import each other in a
 * circle. A newcomer reads a plan from the top down.
 */
import { posix } from 'node:path';

/** Folders, or files of the root without their ending, on one level. */
export interface Floor {
  readonly name: string;
  readonly holds: readonly string[];
}

const floor = (name: string, ...holds: string[]): Floor => ({ name, holds });
const folder = (name: string): Floor => floor(name, name);

/** Top first, by package. */
export const floorPlans: Readonly<Record<string, readonly Floor[]>> = {
  '@agentmesh/agent': [
    floor('doors', 'index', 'node'),
    floor('public calls', 'agent', 'stopped-agent', 'contact-book', 'joining'),
    floor('public calls of requests', 'calling-agent'),
    folder('around'),
    folder('engine'),
    folder('receiving'),
    folder('calls'),
    folder('handling'),
    folder('owed'),
    folder('changes'),
    folder('sending'),
    folder('peers'),
    folder('keys'),
    folder('hub'),
    folder('agent-context'),
    folder('message'),
    folder('conversation'),
    folder('self'),
    folder('store'),
    folder('ground'),
  ],
  '@agentmesh/hub-local': [
    floor('door', 'index'),
    floor('hub in a process', 'local-hub'),
    floor('router', 'hub-core', 'loopback'),
    floor('connection', 'connection'),
    floor('session', 'session'),
    floor('requests', 'directory', 'neighbourhood', 'revocation'),
    floor('authentication', 'authentication'),
    floor('context', 'hub-context'),
    floor('roster', 'roster', 'duels', 'presence'),
    floor('store in memory', 'memory-hub-store'),
    floor('queues', 'delivery', 'notice-feed', 'memory-queues'),
    floor(
      'rows of queues',
      'queue-writer',
      'queue-share',
      'memory-directory',
      'send-order',
      'known-queue',
    ),
    floor('turns', 'delivery-plan', 'queue-upkeep'),
    floor(
      'contracts and limits',
      'hub-store',
      'directory-store',
      'core-limits',
      'signed-link',
      'sources',
    ),
    floor(
      'ground',
      'byte-key',
      'errors',
      'expiry-agenda',
      'commit-share',
      'fair-queue',
      'held-envelopes',
      'hub-host',
      'link',
      'neighbours',
      'queue-order',
      'registration',
      'serial-tasks',
      'token-buckets',
    ),
  ],
};

/** Files of a package by their path under `src`, each with the files that it imports. */
export type Imports = ReadonlyMap<string, readonly string[]>;

const planFile = 'scripts/test/floors.ts';

/** What is wrong with the imports of a package, one line each; empty if nothing. */
export function floorFaults(imports: Imports, plan: readonly Floor[]): string[] {
  const heightOf = (file: string): number =>
    plan.findIndex(({ holds }) => holds.includes(topOf(file)));
  const homeless = [...imports.keys()].filter((file) => heightOf(file) < 0);
  const up = [...imports].flatMap(([file, targets]) =>
    targets
      .filter((target) => heightOf(target) >= 0 && heightOf(target) < heightOf(file))
      .map((target) => upward(file, target, plan[heightOf(target)]?.name ?? '')),
  );
  const held = new Set([...imports.keys()].map(topOf));
  const empty = plan.flatMap(({ holds }) => holds).filter((name) => !held.has(name));
  return [
    ...homeless.map((file) => `${file} is on no floor: give '${topOf(file)}' one in ${planFile}`),
    ...empty.map((name) => `'${name}' is on a floor but not in src: take it out of ${planFile}`),
    ...up,
    ...circlesIn(imports),
  ];
}

function topOf(file: string): string {
  const [top = ''] = file.split('/');
  return top.replace(/\.ts$/, '');
}

function upward(file: string, target: string, above: string): string {
  const way = 'move what it needs down, or have it handed in';
  return `${file} imports ${target}, which goes up to the floor '${above}': ${way}`;
}

/** Each circle once, as the files on it. */
function circlesIn(imports: Imports): string[] {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      const circle = [...path.slice(at), file].join(' → ');
      circles.push(`${circle} is a circle: move what they share to a file of its own`);
    }
    if (at >= 0 || done.has(file)) return;
    for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  return circles;
}

/** The file under `src` that a relative import of a file names; null for any other import. */
export function importedFile(file: string, specifier: string): string | null {
  if (!specifier.startsWith('.')) return null;
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts');
}
