/**
 * A self-signed X.509 certificate for a P-256 key (RFC 5280, RFC 5758), written over `node:crypto`.
 * Owns the DER of this one kind of certificate and nothing more: no extension beyond the few that
 * TLS stacks ask for, no parsing. Clients check the hub's key instead of it
 * (docs/decisions/0030-write-the-hubs-certificate-ourselves.md).
 */
import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';

/** What is to be in the certificate. */
export interface CertificateRequest {
  /** Subject and issuer, ASCII. */
  readonly commonName: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** 16 random bytes. */
  readonly serial: Uint8Array;
}

const newKeyPair = promisify(generateKeyPair);

const SEQUENCE = 0x30;
const SET = 0x31;
const BOOLEAN = 0x01;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const UTF8_STRING = 0x0c;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const VERSION_FIELD = 0xa0;
const EXTENSIONS_FIELD = 0xa3;
const DNS_NAME = 0x82;

/** Object identifiers, encoded. */
const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';

const V3 = 2;
const PEM_LINE = /.{1,64}/g;
/** From this year on a time is written with four digits of the year (RFC 5280 §4.1.2.5). */
const FOUR_DIGIT_YEAR = 2050;

/** A new key pair and its certificate, both PEM. */
export async function selfSigned(
  request: CertificateRequest,
): Promise<{ readonly cert: string; readonly key: string }> {
  const { privateKey, publicKey } = await newKeyPair('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const body = der(SEQUENCE, ...bodyOf(request, spki));
  const signature = sign('sha256', body, privateKey);
  const certificate = der(SEQUENCE, body, algorithm(), bitString(signature));
  return {
    cert: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function bodyOf({ commonName, notBefore, notAfter, serial }: CertificateRequest, spki: Buffer) {
  const name = nameOf(commonName);
  return [
    der(VERSION_FIELD, der(INTEGER, Buffer.of(V3))),
    // Positive and not zero, whatever the random bytes are.
    der(INTEGER, Buffer.concat([Buffer.of(0x01), serial])),
    algorithm(),
    name,
    der(SEQUENCE, time(notBefore), time(notAfter)),
    name,
    spki,
    der(EXTENSIONS_FIELD, der(SEQUENCE, ...extensionsOf(commonName))),
  ];
}

function extensionsOf(commonName: string): Buffer[] {
  const names = der(SEQUENCE, der(DNS_NAME, Buffer.from(commonName, 'ascii')));
  // An empty sequence: not an authority that signs others.
  const constraints = der(SEQUENCE);
  return [
    der(SEQUENCE, objectId(SUBJECT_ALT_NAME), der(OCTET_STRING, names)),
    der(
      SEQUENCE,
      objectId(BASIC_CONSTRAINTS),
      der(BOOLEAN, Buffer.of(0xff)),
      der(OCTET_STRING, constraints),
    ),
  ];
}

function nameOf(commonName: string): Buffer {
  const value = der(UTF8_STRING, Buffer.from(commonName, 'utf8'));
  return der(SEQUENCE, der(SET, der(SEQUENCE, objectId(COMMON_NAME), value)));
}

function algorithm(): Buffer {
  return der(SEQUENCE, objectId(ECDSA_WITH_SHA256));
}

function objectId(hex: string): Buffer {
  return der(OBJECT_ID, Buffer.from(hex, 'hex'));
}

function bitString(bytes: Buffer): Buffer {
  return der(BIT_STRING, Buffer.of(0), bytes);
}

/** `YYMMDDHHMMSSZ`, or with four digits of the year from 2050 on. */
function time(date: Date): Buffer {
  const digits = `${date.toISOString().replace(/\.\d+Z$|[-:T]/g, '')}Z`;
  const isLong = date.getUTCFullYear() >= FOUR_DIGIT_YEAR;
  return der(
    isLong ? GENERALIZED_TIME : UTC_TIME,
    Buffer.from(isLong ? digits : digits.slice(2), 'ascii'),
  );
}

/** One element: its tag, its length in the shortest form, its content. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(tag), lengthOf(content.length), content]);
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  const hex = length.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return Buffer.concat([Buffer.of(0x80 | bytes.length), bytes]);
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(PEM_LINE) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
