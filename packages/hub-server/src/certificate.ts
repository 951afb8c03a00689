/**
 * The hub's self-made TLS certificate: made once, kept beside the database (hub.md §3).
 * Owns its files and its life; the X.509 is `selfsigned`. Clients trust the hub's key, not this
 * certificate: the authentication covers the TLS exporter.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { ServerError } from './server-error.js';
import type { TlsIdentity } from './net/front-door.js';

const FILE = 'tls.pem';
const PRIVATE_FILE = 0o600;
const TEN_YEARS_MS = 10 * 365 * 86_400_000;

/** A new certificate for P-256, valid from a day before `nowMs` for ten years. */
export async function createCertificate(nowMs: number): Promise<TlsIdentity> {
  const made = await generate([{ name: 'commonName', value: 'agentmesh-hub' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(nowMs - 86_400_000),
    notAfterDate: new Date(nowMs + TEN_YEARS_MS),
  });
  return { cert: made.cert, key: made.private };
}

/** The certificate kept in a folder; made at the first start, and anew when it has run out. */
export async function loadOrCreateCertificate(folder: string, nowMs: number): Promise<TlsIdentity> {
  const path = join(folder, FILE);
  if (existsSync(path)) {
    const kept = readTlsIdentity(path, path);
    if (new X509Certificate(kept.cert).validToDate.getTime() > nowMs) return kept;
  }
  const made = await createCertificate(nowMs);
  writeDurably(path, made.key + made.cert);
  return made;
}

/** Reads PEM files of an operator. BAD_CERTIFICATE unless they are a pair that TLS can use. */
export function readTlsIdentity(certPath: string, keyPath: string): TlsIdentity {
  try {
    const identity = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') };
    const certificate = new X509Certificate(identity.cert);
    if (certificate.checkPrivateKey(createPrivateKey(identity.key))) return identity;
  } catch (cause) {
    throw new ServerError('BAD_CERTIFICATE', { detail: `${certPath}, ${keyPath}`, cause });
  }
  throw new ServerError('BAD_CERTIFICATE', { detail: `${keyPath} is not the key of ${certPath}` });
}

/** The file is whole or not there, and only its owner may read it. */
function writeDurably(path: string, text: string): void {
  const temporary = `${path}.new`;
  const file = openSync(temporary, 'w', PRIVATE_FILE);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
  renameSync(temporary, path);
}
