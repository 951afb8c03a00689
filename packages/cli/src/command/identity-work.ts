/**
 * What `agentmesh identity` does: shows who a key file is, makes one, and shows its end. Owns these
 * commands; keys and files are `@agentmesh/crypto/node`'s.
 */
import { readFile } from 'node:fs/promises';
import { Agent, AgentError } from '@agentmesh/agent';
import { StoppedAgent } from '@agentmesh/agent/node';
import { AgentMeshError, createRevocation, REVOCATION_REASON } from '@agentmesh/crypto';
import type { AgentKeyPair } from '@agentmesh/crypto';
import { createKeyFile, loadKeyFile } from '@agentmesh/crypto/node';
import { NetworkHub } from '@agentmesh/hub-client';
import { systemClock, toBase64Url } from '@agentmesh/protocol';
import { quoted } from './shown.js';

/** The agent that a command is about. */
export interface Subject {
  readonly keys: string;
  readonly passphrase: string | undefined;
  readonly json: boolean;
}

type Print = (text: string) => void;

/** 147 characters: 110 bytes. */
const RECORD = /^[\w-]{147}$/;

/** The keys say who it is; only its store knows its name, and a running agent has the store. */
export async function showIdentity(subject: Subject, print: Print): Promise<void> {
  const { keys, passphrase, json } = subject;
  const { keyPair } = await loadKeyFile(keys, { passphrase });
  const { address, fingerprint, legacyFingerprint } = keyPair;
  const name = await nameOf(subject);
  if (json) {
    print(`${quoted({ name, address, fingerprint, legacyFingerprint })}\n`);
    return;
  }
  print(`name         ${name ?? 'not known: the agent runs, or never came up'}\n`);
  print(`address      ${address}\nfingerprint  ${fingerprint}\n`);
}

/** Protected by the passphrase if there is one. */
export async function createIdentity(subject: Subject, print: Print): Promise<void> {
  const { keys, passphrase } = subject;
  const protection = passphrase === undefined ? { unprotected: true } : { passphrase };
  const { keyPair } = await createKeyFile(keys, protection);
  printRevocation(keyPair, subject, print);
}

export async function showRevocation(subject: Subject, print: Print): Promise<void> {
  const { keyPair } = await loadKeyFile(subject.keys, { passphrase: subject.passphrase });
  printRevocation(keyPair, subject, print);
}

/** Hands a revocation in by way of an agent that the hub knows; its own one ends it. */
export async function revokeIdentity(
  { keys, passphrase, json }: Subject,
  shown: { readonly record: string; readonly hub: string },
  print: Print,
): Promise<void> {
  const record = RECORD.test(shown.record) ? shown.record : await fileOf(shown.record);
  const name = await nameOf({ keys, passphrase });
  if (name === null) {
    throw new AgentError('BAD_OPTION', '--keys: the key file of an agent that was on the hub');
  }
  const hub = new NetworkHub(shown.hub);
  try {
    const agent = await Agent.create(name, { keypairPath: keys, passphrase, hub });
    try {
      await agent.revoke(record);
    } finally {
      await agent.close();
    }
  } finally {
    await hub.close();
  }
  print(json ? `${quoted({ revoked: true })}\n` : 'revoked for ever\n');
}

async function fileOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const detail = `'${path}': neither a revocation of 147 characters nor a file with one`;
    throw new AgentError('BAD_OPTION', detail, cause);
  }
}

function printRevocation(keyPair: AgentKeyPair, { json }: Subject, print: Print): void {
  const { address, fingerprint } = keyPair;
  const request = { timeMs: systemClock(), reason: REVOCATION_REASON.keyCompromised };
  const revocation = toBase64Url(createRevocation(keyPair, request));
  if (json) {
    print(`${quoted({ address, fingerprint, revocation })}\n`);
    return;
  }
  print(`address      ${address}\nfingerprint  ${fingerprint}\nrevocation   ${revocation}\n`);
  print('Put the revocation away from the keys: it ends this identity, should they be stolen.\n');
}

async function nameOf({ keys, passphrase }: Omit<Subject, 'json'>): Promise<string | null> {
  try {
    await using agent = await StoppedAgent.open(keys, { passphrase });
    return agent.name;
  } catch (error) {
    const code = error instanceof AgentMeshError ? error.code : '';
    if (code === 'STORE_LOCKED' || code === 'STORE_FAILED') return null;
    throw error;
  }
}
