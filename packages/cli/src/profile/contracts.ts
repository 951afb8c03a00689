/**
 * The contracts that a profile knows: descriptions as JSON, one file each, as `describe` of a
 * contract gives them. Owns the folder and what a description has to have.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { controlError } from '../control/error.js';
import type { AgentFiles } from './profile.js';

/** JSON Schema. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** One operation. */
export interface KnownOperation {
  readonly kind: 'request' | 'stream' | 'event';
  readonly input: JsonSchema;
  readonly output?: JsonSchema | undefined;
}

/** One contract. */
export interface KnownContract {
  readonly id: string;
  readonly operations: Readonly<Record<string, KnownOperation>>;
}

const ID = /^[a-z][a-z0-9.-]{0,63}@[1-9][0-9]{0,5}$/;
const OPERATION = /^[a-zA-Z][a-zA-Z0-9_]{0,63}$/;
const KINDS: readonly unknown[] = ['request', 'stream', 'event'];

/** All of them, by their ids. BAD_CONTRACT. */
export function readContracts({ contracts }: Pick<AgentFiles, 'contracts'>): KnownContract[] {
  return namesIn(contracts).map((name) => readContract(join(contracts, name)));
}

/** One of them. BAD_OPTION where it is not known. */
export function contractOf(files: AgentFiles, id: string): KnownContract {
  const found = readContracts(files).find((one) => one.id === id);
  if (found !== undefined) return found;
  const known = readContracts(files).map((one) => one.id);
  const names = known.length === 0 ? 'none is known yet' : `known: ${known.join(', ')}`;
  throw controlError(
    'BAD_OPTION',
    `No contract ${id} here (${names}): agentmesh contract add FILE`,
  );
}

/** A description in a file. BAD_CONTRACT. */
export function readContract(path: string): KnownContract {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw controlError('BAD_CONTRACT', `${path}: ${(error as Error).message}`, error);
  }
  const fault = faultIn(value);
  if (fault !== null) throw controlError('BAD_CONTRACT', `${path}: ${fault}`);
  return value as KnownContract;
}

/** Keeps one: whole, or not at all. */
export function keepContract({ contracts }: AgentFiles, contract: KnownContract): void {
  mkdirSync(contracts, { recursive: true, mode: 0o700 });
  const path = join(contracts, `${contract.id}.json`);
  writeFileSync(`${path}.next`, `${JSON.stringify(contract, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.next`, path);
}

/** Forgets one. BAD_OPTION where it is not known. */
export function forgetContract(files: AgentFiles, id: string): void {
  contractOf(files, id);
  rmSync(join(files.contracts, `${id}.json`));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .toSorted();
  } catch {
    return [];
  }
}

function faultIn(value: unknown): string | null {
  if (!isObject(value)) return 'not the description of a contract';
  const { id, operations } = value;
  if (typeof id !== 'string' || !ID.test(id)) return 'id: a name and a version, as research@1';
  if (!isObject(operations)) return 'operations: an object';
  for (const [name, operation] of Object.entries(operations)) {
    if (!OPERATION.test(name)) return `operation ${JSON.stringify(name)}: letters, digits or _`;
    if (!isObject(operation) || !KINDS.includes(operation['kind'])) {
      return `operation ${name}: kind is request, stream or event`;
    }
    if (!isObject(operation['input'])) return `operation ${name}: input is a JSON Schema`;
  }
  return null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
