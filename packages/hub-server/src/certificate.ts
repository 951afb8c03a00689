/**
 * The hub's self-made TLS certificate: made once, kept beside the database (hub.md §3).
 * Owns its files and its life; the X.509 is `x509`. Clients trust the hub's key, not this
 * certificate: the authentication covers the TLS exporter.
 */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileFault, replacePrivateFile } from './private-files.js';
import { ServerError } from './server-error.js';
import type { TlsIdentity } from './net/front-door.js';
import { selfSigned } from './x509.js';

const FILE = 'tls.pem';
const SERIAL_BYTES = 16;
const DAY_MS = 86_400_000;
const TEN_YEARS_MS = 3_650 * DAY_MS;

/** A new certificate for P-256, valid from a day before `nowMs` for ten years. */
export function createCertificate(nowMs: number): Promise<TlsIdentity> {
  return selfSigned({
    commonName: 'agentmesh-hub',
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + TEN_YEARS_MS),
    serial: randomBytes(SERIAL_BYTES),
  });
}

/**
 * The certificate kept in a folder; created at the first start, and again when it has expired.
 * BAD_CERTIFICATE for a file that TLS cannot use, UNSAFE_FILE for one that others could change.
 */
export async function loadOrCreateCertificate(folder: string, nowMs: number): Promise<TlsIdentity> {
  const path = join(folder, FILE);
  refuseUnsafe(fileFault(path, 'kept'));
  if (existsSync(path)) {
    const kept = readPair(path, path);
    if (new X509Certificate(kept.cert).validToDate.getTime() > nowMs) return kept;
  }
  const made = await createCertificate(nowMs);
  replaceDurably(path, made.key + made.cert);
  return made;
}

/**
 * Reads PEM files of an operator. BAD_CERTIFICATE unless they are a pair that TLS can use,
 * UNSAFE_FILE if others could read the key or change one of them.
 */
export function readTlsIdentity(certPath: string, keyPath: string): TlsIdentity {
  // Before they are read: a pipe would never end.
  refuseUnsafe(fileFault(certPath, 'public') ?? fileFault(keyPath, 'secret'));
  return readPair(certPath, keyPath);
}

function readPair(certPath: string, keyPath: string): TlsIdentity {
  try {
    const identity = { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') };
    const certificate = new X509Certificate(identity.cert);
    if (certificate.checkPrivateKey(createPrivateKey(identity.key))) return identity;
  } catch (cause) {
    throw new ServerError('BAD_CERTIFICATE', { detail: `${certPath}, ${keyPath}`, cause });
  }
  throw new ServerError('BAD_CERTIFICATE', { detail: `${keyPath} is not the key of ${certPath}` });
}

function refuseUnsafe(fault: string | null): void {
  if (fault !== null) throw new ServerError('UNSAFE_FILE', { detail: fault });
}

/** The file is whole or not there, and only its owner may read it. */
function replaceDurably(path: string, text: string): void {
  const temporary = `${path}.new`;
  replacePrivateFile(temporary, text);
  renameSync(temporary, path);
}
