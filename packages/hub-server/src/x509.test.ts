import { X509Certificate } from 'node:crypto';
import { createServer, connect } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { selfSigned } from './x509.js';

const request = {
  commonName: 'agentmesh-hub',
  notBefore: new Date('2026-01-02T03:04:05Z'),
  notAfter: new Date('2036-01-02T03:04:05Z'),
  serial: new Uint8Array(16).fill(0xff),
};

test('a certificate says what was asked for, and is signed with its own key', async () => {
  const { cert, key } = await selfSigned(request);
  const parsed = new X509Certificate(cert);
  expect(parsed.verify(parsed.publicKey)).toBe(true);
  expect(parsed.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
  expect(parsed).toMatchObject({
    subject: 'CN=agentmesh-hub',
    issuer: 'CN=agentmesh-hub',
    subjectAltName: 'DNS:agentmesh-hub',
    serialNumber: `01${'FF'.repeat(16)}`,
    ca: false,
  });
  expect(parsed.validFromDate).toEqual(request.notBefore);
  expect(parsed.validToDate).toEqual(request.notAfter);
  expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----/);
});

test.each(['2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z', '2100-06-07T08:09:10Z'])(
  'a certificate may end at %s',
  async (end) => {
    const { cert } = await selfSigned({ ...request, notAfter: new Date(end) });
    expect(new X509Certificate(cert).validToDate).toEqual(new Date(end));
  },
);

test('two certificates have two keys, and any of their bytes is covered by the signature', async () => {
  const [one, other] = await Promise.all([selfSigned(request), selfSigned(request)]);
  expect(one.key).not.toBe(other.key);
  const { raw, publicKey } = new X509Certificate(one.cert);
  const body = raw.indexOf('agentmesh-hub');
  const changed = Buffer.from(raw);
  changed[body] = 'A'.charCodeAt(0);
  expect(new X509Certificate(changed).verify(publicKey)).toBe(false);
});

test('TLS 1.3 works with it', async () => {
  const server = createServer({ ...(await selfSigned(request)), minVersion: 'TLSv1.3' }, (socket) =>
    socket.end('hello'),
  );
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const text = await new Promise<string>((resolve, reject) => {
    let read = '';
    connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
      .on('data', (bytes: Buffer) => (read += bytes.toString()))
      .on('end', () => resolve(read))
      .on('error', reject);
  });
  expect(text).toBe('hello');
  server.close();
});
