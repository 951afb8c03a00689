/**
 * Attacks of web pages on the machine of whoever looks at them. Owns the requests that a browser
 * would make for a page of another site; nothing runs in a browser.
 */
import type { Socket } from 'node:net';
import type { Attack, Seen } from '../attack.js';
import type { Scene } from '../scene.js';

/** The first line of the answer to a request with these headers. */
async function statusFor(scene: Scene, lines: readonly string[]): Promise<string> {
  const socket: Socket = await scene.socket();
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
    if (text.includes('\r\n')) resolve(text.slice(0, text.indexOf('\r\n')));
  });
  socket.once('close', () => resolve('closed'));
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  const status = await promise;
  socket.destroy();
  return status;
}

const UPGRADE = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Version: 13',
];

async function foreignPage(scene: Scene): Promise<Seen> {
  const { host, port } = await scene.hub();
  const own = `Host: ${host.includes(':') ? `[${host}]` : host}:${port}`;
  const rebound = `Host: rebind.evil.example:${port}`;
  const evil = 'Origin: https://evil.example';
  const itself = `Origin: http://rebind.evil.example:${port}`;
  const tries: Readonly<Record<string, readonly string[]>> = {
    'a page of another site': ['GET /ws HTTP/1.1', own, evil, ...UPGRADE],
    'a page without an origin': ['GET /ws HTTP/1.1', own, 'Origin: null', ...UPGRADE],
    'a rebound name': ['GET /ws HTTP/1.1', rebound, itself, ...UPGRADE],
    'metrics for another site': ['GET /metrics HTTP/1.1', own, evil],
    'metrics under a rebound name': ['GET /metrics HTTP/1.1', rebound, itself],
  };
  const seen: string[] = [];
  let held = true;
  for (const [what, lines] of Object.entries(tries)) {
    const status = await statusFor(scene, lines);
    held &&= status === 'closed' || /^HTTP\/1\.1 4\d\d/.test(status);
    seen.push(`${what}: ${status.replace('HTTP/1.1 ', '')}`);
  }
  return { held, seen: seen.join('; ') };
}

export const WEB_ATTACKS: readonly Attack[] = [
  {
    name: 'foreign-page',
    test: 'T-A18',
    against: 'hub',
    tries: 'connects and reads metrics as a page of another site, and by DNS rebinding',
    promised: 'no web page uses a hub whose operator has not allowed its origin',
    run: foreignPage,
  },
];
