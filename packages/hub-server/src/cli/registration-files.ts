/**
 * Registration as an operator configures it: tokens and allow lists in files, one entry per line.
 * Owns their reading and the making of the first token; who is let in is hub-local's matter.
 */
import type { Registration } from '@agentmesh/hub-local';
import { aidOfAddress, isAgentName, systemRandom, toBase64Url } from '@agentmesh/protocol';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileFault, writePrivateFile } from '../private-files.js';
import { lineOf, ServerError } from '../server-error.js';
import type { HubConfig } from './options.js';

const TOKENS = 'tokens';
const TOKEN_BYTES = 24;
const TOKEN = /^[\x21-\x7e]{8,512}$/;

/** The mode with what its file says. BAD_OPTION names file and line of what cannot be used. */
export function readRegistration(config: HubConfig): Registration {
  switch (config.registration) {
    case 'open':
      return { mode: 'open' };
    case 'token':
      return { mode: 'token', tokens: readTokens(tokenPathOf(config), config.tokenFile === null) };
    case 'allowlist':
      return { mode: 'allowlist', agents: readAllowlist(config.allowlistFile ?? '') };
  }
}

/** The registration tokens in a hub's data folder, for programs that run a hub. */
export class HubTokens {
  /** For the server; tokens that are added count at once. */
  readonly registration: { readonly mode: 'token'; readonly tokens: readonly string[] };
  readonly #path: string;
  readonly #tokens: string[];

  private constructor(path: string, tokens: string[]) {
    this.#path = path;
    this.#tokens = tokens;
    this.registration = { mode: 'token', tokens };
  }

  /** Reads the file `tokens`, with one token if there was none. BAD_OPTION, UNSAFE_FILE. */
  static open(folder: string): HubTokens {
    const path = join(folder, TOKENS);
    return new HubTokens(path, readTokens(path, true));
  }

  /** The first of them. */
  get first(): string {
    return this.#tokens[0] ?? '';
  }

  /** One more: in the file first, so that it works after a restart too. */
  add(): { readonly token: string; readonly file: string } {
    const token = addToken(this.#path);
    this.#tokens.push(token);
    return { token, file: this.#path };
  }
}

/** Where the tokens are. */
export function tokenPathOf({ tokenFile, data }: HubConfig): string {
  return tokenFile ?? join(data, TOKENS);
}

/** Adds a new token to the file, and gives it when it is on the disk. */
export function addToken(path: string): string {
  const token = toBase64Url(systemRandom(TOKEN_BYTES));
  try {
    const text = readFileSync(path, 'utf8');
    const line = text === '' || text.endsWith('\n') ? `${token}\n` : `\n${token}\n`;
    appendFileSync(path, line, { flush: true });
  } catch (cause) {
    throw new ServerError('CANNOT_WRITE', { detail: `${path}: ${lineOf(cause)}`, cause });
  }
  return token;
}

function readTokens(path: string, mayCreate: boolean): string[] {
  if (mayCreate && !existsSync(path)) {
    const token = toBase64Url(systemRandom(TOKEN_BYTES));
    const text = `# Registration tokens of this hub, one per line.\n${token}\n`;
    writePrivateFile(path, text);
  }
  // Before it is read: a pipe would never end.
  refuseUnsafe(fileFault(path, mayCreate ? 'kept' : 'secret'));
  const what = 'a token of 8 to 512 printable characters';
  return entriesOf(path, (token) => TOKEN.test(token), what);
}

function readAllowlist(path: string): string[] {
  const isAgent = (entry: string): boolean => isAgentName(entry) || isAddress(entry);
  refuseUnsafe(fileFault(path, 'public'));
  return entriesOf(path, isAgent, 'a name or an am2 address');
}

function refuseUnsafe(fault: string | null): void {
  if (fault !== null) throw new ServerError('UNSAFE_FILE', { detail: fault });
}

function isAddress(entry: string): boolean {
  try {
    return aidOfAddress(entry).length > 0;
  } catch {
    return false;
  }
}

/** Lines that are neither empty nor comments. The entry itself is never shown: it may be secret. */
function entriesOf(path: string, isValid: (entry: string) => boolean, what: string): string[] {
  const entries: string[] = [];
  read(path)
    .split('\n')
    .forEach((line, index) => {
      const entry = line.trim();
      if (entry === '' || entry.startsWith('#')) return;
      if (!isValid(entry)) {
        throw new ServerError('BAD_OPTION', { detail: `${path}:${index + 1} is not ${what}` });
      }
      entries.push(entry);
    });
  if (entries.length === 0) throw new ServerError('BAD_OPTION', { detail: `${path} is empty` });
  return entries;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ServerError('BAD_OPTION', { detail: `${path} cannot be read`, cause });
  }
}
