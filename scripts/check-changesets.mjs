/**
 * Checks that every file in `.changeset` can be released: known public packages, a valid bump and
 * a summary. Whether a change needs a changeset at all is for the review to say.
 */
import { dirname } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { getReleasePlan } from '@changesets/get-release-plan';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
try {
  const plan = await getReleasePlan(root);
  const empty = plan.changesets.filter(({ summary }) => summary.trim() === '');
  for (const { id } of empty) console.error(`.changeset/${id}.md has no summary`);
  process.exitCode = empty.length === 0 ? 0 : 1;
} catch (error) {
  console.error(`.changeset: ${error.message}`);
  process.exitCode = 1;
}
