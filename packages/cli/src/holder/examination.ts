/**
 * The examination of an agent: its files, who holds it, its hub, and what piles up. Owns the list
 * of findings and what to do about each; it changes nothing.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { ControlStatus, WaitingMail } from '../control/api.js';
import { reportOf } from '../control/error.js';
import { systemClock } from '../machine.js';
import type { Clock } from '../machine.js';
import type { AgentFiles } from '../profile/profile.js';
import { readSettings } from '../profile/settings.js';
import { version } from '../version.js';
import { openControl } from './open-control.js';

/** One look. `note`: not wrong, but to be known. */
export interface Finding {
  readonly check: string;
  readonly state: 'good' | 'note' | 'bad';
  readonly detail: string;
  /** What to do; null where nothing is to be done. */
  readonly remedy: string | null;
}

/** From here on a clock is wrong, and prekeys are few. */
const WRONG_CLOCK_MS = 30_000;
const FEW_PREKEYS = 10;

/** What the examination may be given. */
export interface ExamineOptions {
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Ends it: it rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Looks at everything. Never rejects but with KEY_FILE_PASSPHRASE_REQUIRED. */
export async function examine(
  files: AgentFiles,
  passphrase: string | undefined,
  { clock = systemClock, signal }: ExamineOptions = {},
): Promise<readonly Finding[]> {
  const found = [good('node', process.version), ...lookAtFiles(files)];
  if (!existsSync(files.keys)) return found;
  return [...found, ...(await lookAtAgent(files, passphrase, { clock, signal }))];
}

function lookAtFiles(files: AgentFiles): Finding[] {
  const { keys, settings, home, profile } = files;
  if (!existsSync(keys)) {
    return [bad('keys', `no agent at ${keys}`, 'agentmesh up, or agentmesh join LINK')];
  }
  const open = [keys, files.store].filter(
    (path) =>
      existsSync(path) && process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0,
  );
  const modes =
    open.length === 0
      ? good('keys', profile === null ? keys : `profile ${profile} in ${home}`)
      : bad('keys', `open to others: ${open.join(', ')}`, 'chmod 600 them');
  return [modes, ...revocationsBeside(keys), lookAtSettings(settings)];
}

/** It ends the identity: whoever finds it with the keys needs no more. */
function revocationsBeside(keys: string): Finding[] {
  const folder = dirname(keys);
  const beside = readdirSync(folder).filter(
    (name) => name.startsWith(basename(keys)) && name.endsWith('.revocation'),
  );
  if (beside.length === 0) return [good('revocation', 'not beside the keys')];
  const remedy = 'move it to where the keys are not, such as a password manager';
  return [note('revocation', `lies beside the keys: ${beside.join(', ')}`, remedy)];
}

function lookAtSettings(path: string): Finding {
  try {
    const settings = readSettings(path);
    if (settings === null)
      return note('settings', 'none: the hub is known to its program only', null);
    const { hub } = settings;
    const where = hub === null ? 'the hub of this user' : hub.hosts.join(', ');
    const pin = hub?.hubKey === undefined ? 'its key is pinned at first sight' : 'its key is given';
    return good('settings', `${settings.name} on ${where}, ${pin}`);
  } catch (error) {
    const { message } = reportOf(error);
    return bad('settings', message, `correct ${path}`);
  }
}

async function lookAtAgent(
  files: AgentFiles,
  passphrase: string | undefined,
  { clock, signal }: ExamineOptions & { readonly clock: Clock },
): Promise<readonly Finding[]> {
  try {
    const control = await openControl(files, { passphrase, client: 'doctor', signal });
    try {
      const isHolder = await control.isHolder();
      const status = await control.call('status', {});
      const { waiting } = await control.call('outbox', {});
      return [
        holderOf(status, isHolder),
        storeOf(files.store),
        ...lookAtStatus(status),
        lookAtOutbox(status, waiting, clock()),
      ];
    } finally {
      await control.close();
    }
  } catch (error) {
    signal?.throwIfAborted();
    const { code, message, remedy } = reportOf(error);
    if (code === 'KEY_FILE_PASSPHRASE_REQUIRED') throw error;
    return [bad('agent', `${message} [${code}]`, remedy)];
  }
}

function holderOf({ holder }: ControlStatus, isHolder: boolean): Finding {
  if (isHolder) return good('holder', 'nobody: each command opens the agent for itself');
  const who = `process ${holder.pid}, version ${holder.version}`;
  if (holder.version === version) return good('holder', who);
  return note('holder', `${who}; this command is ${version}`, 'restart it when it suits');
}

/** Whoever opens it checks it: a store that cannot be used is not opened. */
function storeOf(path: string): Finding {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return good('store', `${path}, ${Math.ceil(bytes / 1_024)} KiB, opened and sound`);
}

function lookAtStatus(status: ControlStatus): Finding[] {
  const { connection, hubs, hubAheadMs, oneTimePrekeys, deadLetters } = status;
  const { contested, pendingContacts } = status;
  const names = hubs.join(', ');
  const seconds = Math.round(Math.abs(hubAheadMs) / 1_000);
  const isClock = Math.abs(hubAheadMs) <= WRONG_CLOCK_MS;
  // At the first connection there are none yet: they are published then.
  const isPrekeys = (oneTimePrekeys ?? 0) === 0 || Number(oneTimePrekeys) >= FEW_PREKEYS;
  return [
    connection === 'online'
      ? good('hub', `reached: ${names}`)
      : bad('hub', `${connection}: ${names}`, 'check that it runs and can be reached'),
    isClock
      ? good('clock', `within ${seconds} s of the hub's`)
      : bad('clock', `${seconds} s from the hub's`, 'set the clock of the machine that is wrong'),
    isPrekeys
      ? good('prekeys', `${oneTimePrekeys ?? 'not known how many'} on the hub when it was reached`)
      : note(
          'prekeys',
          `${oneTimePrekeys} left on the hub when it was reached`,
          'they are renewed while it is online',
        ),
    deadLetters === 0
      ? good('dead letters', 'none')
      : note('dead letters', `${deadLetters}`, 'agentmesh dead-letters list'),
    contested.length === 0
      ? good('identities', 'none has changed')
      : bad('identities', `changed: ${contested.join(', ')}`, 'agentmesh verify NAME FINGERPRINT'),
    pendingContacts === 0
      ? good('contacts', 'nobody waits to be let in')
      : note('contacts', `${pendingContacts} wait`, 'agentmesh contacts --pending'),
  ];
}

/** A message that has waited for long says that the hub is away, or does not take it. */
function lookAtOutbox(
  { outbox, connection }: ControlStatus,
  waiting: readonly WaitingMail[],
  nowMs: number,
): Finding {
  if (outbox === 0) return good('outbox', 'empty');
  const known = waiting.flatMap(({ sinceMs }) => sinceMs ?? []);
  const ageMs = known.length === 0 ? null : Math.max(0, nowMs - Math.min(...known));
  const age = ageMs === null ? '' : `, the oldest for ${spanOf(ageMs)}`;
  const remedy =
    connection === 'online'
      ? 'agentmesh outbox names the peers'
      : 'they are sent once the hub is reached';
  return note('outbox', `${outbox} wait for the hub${age}`, remedy);
}

/** A time as people say it. */
function spanOf(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
  ] as const;
  const [unit, size] = units.find(([, one]) => ms >= one) ?? (['s', 1_000] as const);
  return `${Math.floor(ms / size)} ${unit}`;
}

function good(check: string, detail: string): Finding {
  return { check, state: 'good', detail, remedy: null };
}

function note(check: string, detail: string, remedy: string | null): Finding {
  return { check, state: 'note', detail, remedy };
}

function bad(check: string, detail: string, remedy: string | null): Finding {
  return { check, state: 'bad', detail, remedy };
}
