/**
 * The allow list of an agent on the disk (protocol.md §2.12): a user who can write it decides whom
 * the agent trusts. Owns reading it and who may write it; what it says is `trust`'s.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { AgentError } from '../ground/errors.js';
import { fromHome } from './home-path.js';

/** Far above any list that people keep. */
const MAX_BYTES = 16 * 1024 * 1024;
const WRITABLE_BY_OTHERS = 0o022;
const onWindows = process.platform === 'win32';
/** Without it, opening a named pipe waits for a writer. Windows has neither. */
const READ = onWindows ? constants.O_RDONLY : constants.O_RDONLY | constants.O_NONBLOCK;

/** The text of the file; throws BAD_OPTION. */
export async function readAllowList(path: string): Promise<string> {
  try {
    await using file = await open(fromHome(path), READ);
    const stats = await file.stat();
    const { mode, size } = stats;
    if (!stats.isFile()) throw refusal(path, 'it is not a file');
    if (!onWindows && (mode & WRITABLE_BY_OTHERS) !== 0) {
      throw refusal(path, 'others can write it: run chmod go-w');
    }
    if (size > MAX_BYTES) throw refusal(path, 'it has more than 16 MiB');
    return await file.readFile('utf8');
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw refusal(path, 'it cannot be read', error);
  }
}

function refusal(path: string, what: string, cause?: unknown): AgentError {
  return new AgentError('BAD_OPTION', `allowListPath: ${path}: ${what}`, cause);
}
