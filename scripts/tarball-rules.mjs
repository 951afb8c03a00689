/**
 * What a published package must hold, as functions from its contents to complaints. Owns the rules;
 * packing and unpacking is done by `check-packages.mjs`.
 */
import { dirname, join, normalize } from 'node:path';

const REPOSITORY = 'git+https://github.com/agentmesh/agentmesh.git';

/** Complaints of one line each, which say what to do. `files` maps paths to texts. */
export function tarballFaults({ files, manifest }) {
  return [
    ...missingFiles(files),
    ...manifestFaults(manifest),
    ...linkFaults(files.get('README.md') ?? ''),
    ...mapFaults(files),
  ];
}

function missingFiles(files) {
  return ['LICENSE', 'README.md']
    .filter((name) => (files.get(name) ?? '').trim() === '')
    .map((name) => `the tarball has no ${name}: put one beside package.json`);
}

function manifestFaults({ repository, homepage, bugs, license, publishConfig, engines }) {
  const wanted = [
    ['repository.url', repository?.url === REPOSITORY],
    ['repository.directory', typeof repository?.directory === 'string'],
    ['homepage', isAddress(homepage)],
    ['bugs', isAddress(bugs?.url ?? bugs)],
    ['license', license === 'MIT'],
    ['publishConfig.provenance', publishConfig?.provenance === true],
    ['engines.node', engines?.node === '>=22.13'],
  ];
  return wanted
    .filter(([, isThere]) => !isThere)
    .map(([field]) => `package.json has no good ${field}: copy it from another package`);
}

const isAddress = (text) => typeof text === 'string' && text.startsWith('https://');

/** On a package page there is nothing beside the README. */
function linkFaults(readme) {
  const prose = readme.replaceAll(/^```[\s\S]*?^```$/gm, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^(?:https:|mailto:|#)/.test(target))
    .map((target) => `README.md links to ${target}: write the whole https:// address`);
}

/** A map leads to its sources, or holds them. */
function mapFaults(files) {
  const maps = [...files].filter(([path]) => path.endsWith('.map'));
  return maps.flatMap(([path, text]) => {
    const { sources = [], sourcesContent = [] } = JSON.parse(text);
    const lost = sources.filter((source, index) => {
      const isInside = files.has(normalize(join(dirname(path), source)));
      return !isInside && typeof sourcesContent[index] !== 'string';
    });
    return lost.map((source) => `${path} has no source ${source}: set inlineSources`);
  });
}
