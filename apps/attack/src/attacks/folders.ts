/**
 * Attacks of another user of the machine on the folder of a hub (protocol.md §2.11). Owns what is
 * prepared there; the hub is started afterwards.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CannotTry } from '../attack.js';
import type { Attack, Seen } from '../attack.js';
import { OwnHub } from '../sandbox/own-hub.js';
import type { Scene } from '../scene.js';

const NAMES = ['hub.reserve', 'tls.pem.new'];
const PRECIOUS = 'precious\n';

async function preparedFolder(scene: Scene): Promise<Seen> {
  const changed: string[] = [];
  let refusals = 0;
  for (const name of NAMES) {
    const parent = scene.folder();
    mkdirSync(join(parent, 'hub'), { recursive: true, mode: 0o700 });
    const file = join(parent, 'precious');
    writeFileSync(file, PRECIOUS, { mode: 0o600 });
    symlinkSync(file, join(parent, 'hub', name));
    try {
      const hub = await OwnHub.start(parent);
      scene.endsWith(() => hub.stop());
    } catch (error) {
      if (!(error instanceof CannotTry)) throw error;
      refusals += 1;
    }
    if (readFileSync(file, 'utf8') !== PRECIOUS) changed.push(name);
  }
  return {
    held: changed.length === 0 && refusals > 0,
    seen: `of ${NAMES.length} links the hub followed ${changed.length}`,
    figures: { links: NAMES.length, 'refused to start': refusals, followed: changed.length },
  };
}

export const FOLDER_ATTACKS: readonly Attack[] = [
  {
    name: 'prepared-folder',
    test: 'T-A20',
    against: 'hub',
    tries: "puts links to another file in the places of the hub's own files",
    promised: 'a hub follows no link in its data folder',
    needsOwnHub: true,
    run: preparedFolder,
  },
];
