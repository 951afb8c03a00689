/**
 * `invite` and `join`: one line that leads two agents to each other.
 * Owns what they print; invites are the agent's.
 */
import type { Command } from 'commander';
import { readOwnHub, readSettings } from '../profile/settings.js';
import { countOf, msOf } from './duration.js';
import { closing } from './process.js';
import type { CommandProcess } from './process.js';
import { agentCommand } from './program.js';
import { filesFor, printResult, withClient, withPassphrase } from './with-client.js';
import type { CommonOptions } from './with-client.js';

interface InviteFlags extends CommonOptions {
  readonly uses: string;
  readonly expires: string;
  /** False: none goes with it. */
  readonly token?: string | false | undefined;
  readonly qr?: boolean | undefined;
}

interface JoinFlags extends CommonOptions {
  readonly name?: string | undefined;
}

/** Adds them. */
export function addJoin(program: Command, command: CommandProcess): void {
  agentCommand(
    program,
    'invite',
    'Make an invite: one line with which another agent joins',
    'agentmesh invite',
    'agentmesh invite --uses 5 --expires 7d --qr',
  )
    .option('--uses <count>', 'how many agents may join with it', '1')
    .option('--expires <time>', 'how long it can be used', '1d')
    .option('--token <token>', 'registration token of the hub that goes with it (default: yours)')
    .option('--no-token', 'no registration token goes with it')
    .option('--qr', 'print it as a QR code too')
    .action(async (options: InviteFlags) => {
      const uses = countOf(options.uses, '--uses', 10_000);
      const expiresMs = msOf(options.expires, '--expires');
      const token = tokenOf(options, command);
      const made = await withClient(options, command, (client) =>
        client.call('invite', { uses, expiresMs, token }),
      );
      const code = options.qr === true ? await qrOf(made.link) : '';
      printResult(command, options, made, `${code}${made.link}\n`);
    });
  agentCommand(program, 'join <link>', 'Join with an invite: makes this agent the first time')
    .option('--name <name>', 'its name on the hub')
    .addHelpText('after', EXAMPLES)
    .action(async (link: string, options: JoinFlags) => {
      const files = filesFor(options, command);
      const { joinWith } = await import('../holder/join.js');
      const { name } = options;
      const peer = await closing(command, (signal) =>
        withPassphrase(files.keys, command, (passphrase) =>
          joinWith(files, link, { name, passphrase, signal }),
        ),
      );
      const text = `joined ${peer.name} (${peer.trust})\nfingerprint  ${peer.fingerprint}\n`;
      printResult(command, options, peer, text);
    });
}

/** Whoever joins needs a token where this agent did. */
function tokenOf(options: InviteFlags, command: CommandProcess): string | undefined {
  if (options.token === false) return undefined;
  const { settings, home } = filesFor(options, command);
  const kept = readSettings(settings);
  return options.token ?? (kept?.hub === null ? readOwnHub(home)?.token : kept?.hub?.token);
}

async function qrOf(link: string): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr');
  return `${renderUnicodeCompact(link)}\n`;
}

const EXAMPLES = `
Examples:
  agentmesh join agentmesh:AQAB… --name bob`;
