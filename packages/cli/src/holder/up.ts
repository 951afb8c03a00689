/**
 * What `agentmesh up` does: starts the hub of this user where none is given, makes the agent the
 * first time, and holds it. Owns the order, and that settings are written once they have worked.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ControlClient } from '../control/client.js';
import { ControlError, controlError } from '../control/error.js';
import { systemClock } from '../machine.js';
import type { Clock } from '../machine.js';
import { defaultName } from '../profile/default-name.js';
import type { AgentFiles } from '../profile/profile.js';
import { isOnlyHere } from '../profile/own-hub-address.js';
import { readOwnHub, readSettings, writeSettings } from '../profile/settings.js';
import type { Settings, WakeSettings } from '../profile/settings.js';
import { holdAgent, hubOf } from './held-agent.js';
import type { HeldAgent } from './held-agent.js';
import { refuseOtherName } from './kept-name.js';
import { PAUSE_MS } from './open-control.js';
import { startOwnHub } from './own-hub.js';

/** What was asked for; what is left out stays as it was. */
export interface UpOptions {
  readonly name?: string | undefined;
  readonly hub?: string | undefined;
  /** Where a hub of its own listens: an address of this machine, or `0.0.0.0`. */
  readonly host?: string | undefined;
  readonly hubKey?: string | undefined;
  readonly token?: string | undefined;
  readonly acceptFrom?: Settings['acceptFrom'] | undefined;
  /** What runs when mail comes; null: nothing any more. */
  readonly wake?: WakeSettings | null | undefined;
  readonly passphrase?: string | undefined;
  /** Told what a person should read. */
  readonly log?: ((line: string) => void) | undefined;
  /** Gives up an opening that is under way. */
  readonly signal?: AbortSignal | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/** A held agent, and an invite the first time. */
export interface UpAgent extends HeldAgent {
  readonly invite: string | null;
  /** Who reaches its hub, where it runs one: this machine, or others too. */
  readonly reach: 'here' | 'others' | null;
}

/** How long another program may take to open the agent, whose hub may be away, and to close it. */
const OPENING_MS = 60_000;

/** Brings the agent up; null where another program holds it already. */
export async function bringUp(files: AgentFiles, options: UpOptions): Promise<UpAgent | null> {
  // Before whoever stands in for a holder makes way.
  refuseOtherName(files, options.name);
  if (!(await isFree(files))) return null;
  const kept = readSettings(files.settings);
  const settings = settingsOf(files, kept, options);
  if (settings.hub !== null && options.host !== undefined) {
    throw controlError('BAD_OPTION', '--host is of a hub of its own: leave --hub out');
  }
  const ownHub = settings.hub === null ? await startOwnHub(files.home, options.host) : null;
  try {
    const held = await heldAgent(files, settings, options);
    if (held === null) {
      await ownHub?.close();
      return null;
    }
    try {
      writeSettings(files.settings, settings);
      const { token } = hubOf(files, settings);
      // The first time, and when others can join that could not before.
      const isNew = kept === null || options.host !== undefined;
      const invite = isNew ? await held.agent.invite({ token }) : null;
      const close = async (): Promise<void> => {
        await held.close();
        await ownHub?.close();
      };
      const own = settings.hub === null ? readOwnHub(files.home) : null;
      const reach = own === null ? null : isOnlyHere(own.host) ? 'here' : 'others';
      return { ...held, invite, reach, close };
    } catch (error) {
      await held.close();
      throw error;
    }
  } catch (error) {
    await ownHub?.close();
    throw error;
  }
}

/** Whether nobody holds the agent, or whoever stands in for a holder makes way. */
async function isFree({ socket }: AgentFiles): Promise<boolean> {
  const other = await ControlClient.connect(socket, 'up');
  if (other === null) return true;
  try {
    return (await other.call('handover', {})).given;
  } catch (error) {
    // It is about to end, or has ended.
    if (error instanceof ControlError && error.retryable) return true;
    throw error;
  } finally {
    other.close();
  }
}

function settingsOf(
  { profile }: AgentFiles,
  kept: Settings | null,
  { name, hub, hubKey, token, acceptFrom, wake }: UpOptions,
): Settings {
  const host = hub ?? kept?.hub?.hosts ?? null;
  const hosts = typeof host === 'string' ? [host] : host;
  if (hosts === null && (hubKey ?? token) !== undefined) {
    throw controlError('BAD_OPTION', '--hub-key and --token belong to --hub');
  }
  const known = hub === undefined ? kept?.hub : null;
  return {
    name: name ?? kept?.name ?? defaultName(profile),
    hub:
      hosts === null
        ? null
        : { hosts, hubKey: hubKey ?? known?.hubKey, token: token ?? known?.token },
    acceptFrom: acceptFrom ?? kept?.acceptFrom ?? 'ask',
    wake: wake === undefined ? (kept?.wake ?? null) : wake,
  };
}

/**
 * Whoever makes way may need a moment for that, and whoever is only opening the agent cannot be
 * asked yet: both are asked again. Null where one of them keeps it.
 */
async function heldAgent(
  files: AgentFiles,
  settings: Settings,
  { passphrase, log, signal, clock = systemClock }: UpOptions,
): Promise<HeldAgent | null> {
  const untilMs = clock() + OPENING_MS;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await holdAgent(files, { settings, passphrase, log, signal });
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'STORE_LOCKED') throw error;
      if (clock() > untilMs) throw controlError('HOLDER_SILENT', files.store, error);
      if (!(await isFree(files))) return null;
      await pause(PAUSE_MS);
    }
  }
}
