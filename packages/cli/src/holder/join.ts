/**
 * What `agentmesh join` does: joins with the agent that is there, or makes one with the hub that
 * the invite names. Owns that choice; joining is the agent's.
 */
import { decodeInvite, toBase64Url } from '@agentmesh/protocol';
import type { Invite } from '@agentmesh/protocol';
import type { ControlPeer } from '../control/api.js';
import { ControlError } from '../control/error.js';
import { defaultName } from '../profile/default-name.js';
import type { AgentFiles } from '../profile/profile.js';
import { readSettings, writeSettings } from '../profile/settings.js';
import type { Settings } from '../profile/settings.js';
import { holdAgent } from './held-agent.js';
import { refuseOtherName } from './kept-name.js';
import { openControl } from './open-control.js';

/** How an agent joins. */
export interface JoinOptions {
  readonly name?: string | undefined;
  readonly passphrase?: string | undefined;
  /** Ends it in order. */
  readonly signal?: AbortSignal | undefined;
}

/** Joins, and gives the peer that made the invite. */
export async function joinWith(
  files: AgentFiles,
  link: string,
  { name, passphrase, signal }: JoinOptions,
): Promise<ControlPeer> {
  const invite = decodeInvite(link);
  if (invite === null) {
    const message = 'Not an invite: paste the whole line that begins with agentmesh:';
    throw new ControlError({ code: 'BAD_INVITE', retryable: false, message, remedy: null });
  }
  refuseOtherName(files, name);
  if (readSettings(files.settings) === null) {
    const settings = settingsFrom(invite, name ?? defaultName(files.profile));
    // Known from now on: the hub has its name.
    await (await holdAgent(files, { settings, passphrase, signal })).close();
    writeSettings(files.settings, settings);
  }
  const control = await openControl(files, { passphrase, signal });
  try {
    return await control.call('join', { link });
  } finally {
    await control.close();
  }
}

function settingsFrom({ hubs, hubKey, token }: Invite, name: string): Settings {
  const hub = { hosts: hubs, hubKey: toBase64Url(hubKey), token: token ?? undefined };
  return { name, hub, acceptFrom: 'ask', wake: null };
}
