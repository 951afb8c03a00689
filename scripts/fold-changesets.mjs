/**
 * `pnpm changesets:fold`: before the first release there is no earlier version that changes could
 * be told against. Writes the changelog of every package for the version that it has, from
 * `docs/first-release.md`, and removes the changesets that are waiting. May be run again until the
 * release; afterwards `changeset version` does this work. Prints the sentences that it removes:
 * what a user would miss in the document goes there.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const waiting = join(root, '.changeset');
const notes = readFileSync(join(root, 'docs', 'first-release.md'), 'utf8').replace(/^# .*\n+/, '');

/** Published packages, each with the folder of its changelog. */
function publicPackages() {
  return readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name))
    .map((folder) => ({
      folder,
      ...JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')),
    }))
    .filter((manifest) => manifest.private !== true);
}

/** Whether git has the tag that a release sets. */
function isReleased({ name, version }) {
  const args = ['tag', '--list', `${name}@${version}`];
  const { stdout } = spawnSync('git', args, { cwd: root, encoding: 'utf8' });
  return stdout.trim() !== '';
}

/** The whole text for the umbrella; the others say what they are and lead there. */
function changelogOf({ name, version, description }) {
  const text =
    name === 'agentmesh'
      ? notes.trim()
      : `The first release. ${description}.\n\n` +
        'What AgentMesh can do is told in the changelog of `agentmesh`.';
  return `# ${name}\n\n## ${version}\n\n${text}\n`;
}

const packages = publicPackages();
const released = packages.filter(isReleased).map(({ name, version }) => `${name}@${version}`);
if (released.length > 0) {
  process.stderr.write(`${released.join(', ')} released: use pnpm version-packages\n`);
  process.exit(1);
}
const files = readdirSync(waiting).filter((file) => file.endsWith('.md') && file !== 'README.md');
const texts = files.map((file) => readFileSync(join(waiting, file), 'utf8'));
// The check of changesets takes the last commit of a changelog for the release that it compares
// with: so each fold leaves a mark.
const mark = createHash('sha256').update(texts.join('')).digest('hex').slice(0, 12);
for (const manifest of packages) {
  const text = `${changelogOf(manifest)}\n<!-- ${files.length} changesets folded: ${mark} -->\n`;
  writeFileSync(join(manifest.folder, 'CHANGELOG.md'), text);
}
for (const text of texts)
  process.stdout.write(`- ${text.replace(/^---[\s\S]*?---\s*/, '').trim()}\n`);
for (const file of files) rmSync(join(waiting, file));
process.stdout.write(
  `${files.length} changesets folded into the changelogs of the first release\n`,
);
