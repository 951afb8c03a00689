/**
 * The name that an agent keeps for as long as it lives. Owns the refusal of another one, which
 * would be forgotten without a word otherwise.
 */
import { controlError } from '../control/error.js';
import type { AgentFiles } from '../profile/profile.js';
import { readSettings } from '../profile/settings.js';

/** Throws BAD_OPTION where an agent is there already, and is called something else. */
export function refuseOtherName({ settings }: AgentFiles, name: string | undefined): void {
  if (name === undefined) return;
  const kept = readSettings(settings);
  if (kept === null || kept.name === name) return;
  throw controlError(
    'BAD_OPTION',
    `--name ${name}: the agent here is '${kept.name}', and keeps its name: leave --name out, or ` +
      `make another agent with --profile ${name}`,
  );
}
