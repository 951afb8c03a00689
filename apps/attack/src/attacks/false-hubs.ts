/**
 * Attacks of whoever answers in place of a hub, or is a hostile hub, on an agent (protocol.md
 * §2.15). Owns the liar's moves; the agent runs in a sandbox, and is asked what it made of them.
 */
import { randomBytes } from 'node:crypto';
import { connect as connectTcp, createServer as createTcpServer } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { AgentKeyPair, createIdentityRecord, parseIdentityRecord } from '@agentmesh/crypto';
import { createCertificate } from '@agentmesh/hub-server';
import { encodeFrame, PROTOCOL_LIMITS, systemRandom } from '@agentmesh/protocol';
import type { ByeFrame, ErrorFrame } from '@agentmesh/protocol';
import type { Attack, Seen } from '../attack.js';
import { joined, listening } from '../sandbox/road.js';
import type { Scene } from '../scene.js';

async function stealToken(scene: Scene): Promise<Seen> {
  const { target } = await scene.ownHub(['--registration', 'token']);
  const certificate = await createCertificate(Date.now());
  let heard = '';
  const middle = createTlsServer({ ...certificate, minVersion: 'TLSv1.3' }, (victim) => {
    const { host, port } = target;
    const hub = connectTls({ host, port, rejectUnauthorized: false });
    joined(victim, hub);
    victim.on('data', (bytes: Buffer) => {
      heard += bytes.toString('latin1');
      hub.write(bytes);
    });
    hub.on('data', (bytes: Buffer) => victim.write(bytes));
  });
  const port = await listening(middle);
  scene.endsWith(() => middle.close());
  const victim = scene.victim({ target: { ...target, port }, connectTimeoutMs: 1_500 });
  const isUp = await victim.isReady();
  const secrets = [target.token ?? 'no token', victim.name, '"auth"'];
  const read = secrets.filter((secret) => heard.includes(secret)).length;
  const held = !isUp && read === 0 && heard.includes('"begin"');
  const fate = isUp ? 'connected through it' : `ended with ${victim.rejection ?? 'nothing'}`;
  return { held, seen: `the agent ${fate}; ${read} of its token, name and proof were read` };
}

async function refuseUnproven(scene: Scene): Promise<Seen> {
  const { target } = await scene.ownHub([], false);
  const words: readonly (ErrorFrame | ByeFrame)[] = [
    { type: 'error', code: 'REVOKED', message: 'x' },
    { type: 'error', code: 'NAME_TAKEN', message: 'x' },
    { type: 'bye', code: 'DISPLACED' },
    { type: 'bye', code: 'DISPLACED', signature: randomBytes(64) },
  ];
  const sockets = new Set<Socket>();
  let lie: ErrorFrame | ByeFrame | null = null;
  let lies = 0;
  const road = createTcpServer((socket) => {
    sockets.add(socket);
    if (lie === null) {
      const hub = connectTcp(target.port, target.host);
      joined(socket, hub);
      socket.pipe(hub).pipe(socket);
      return;
    }
    lies += 1;
    socket.on('error', () => socket.destroy());
    socket.end(`${encodeFrame(lie)}\n`);
  });
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  const port = await listening(road);
  scene.endsWith(() => road.close());
  const victim = scene.victim({ target: { ...target, port } });
  if (!(await victim.isReady())) return { held: false, seen: 'the agent did not start' };
  const returned: string[] = [];
  for (const word of words) {
    lie = word;
    const before = lies;
    cut();
    await victim.until(() => lies >= before + 2 || victim.hasEnded);
    if (victim.hasEnded) return { held: false, seen: `${word.code} ended the agent` };
    lie = null;
    cut();
    const isBack = await victim.until(
      () => victim.events('connection').at(-1)?.includes('online') === true,
    );
    if (isBack) returned.push(word.code);
  }
  const held = returned.length === words.length && lies >= 2 * words.length;
  const back = `${returned.length} of ${words.length}`;
  return { held, seen: `after ${lies} unsigned refusals the agent came back from ${back}` };
}

/** Deliveries that are pushed at once: many times the first credit of a connection. */
const PUSHED = 20 * PROTOCOL_LIMITS.initialCreditMessages;

async function overrunCredit(scene: Scene): Promise<Seen> {
  const hub = await scene.falseHub({
    settled: (guest) => {
      const texts = Array.from({ length: PUSHED }, (_, at) => {
        const ids = { id: systemRandom(16), from: systemRandom(32), to: systemRandom(32) };
        const envelope = { v: 2 as const, ...ids, ts: 1, blob: Uint8Array.of(1) };
        return encodeFrame({ type: 'deliver', seq: at + 1, attempt: 1, envelope });
      });
      guest.say(texts.join('\n'));
    },
  });
  const victim = scene.victim({ target: hub.target });
  await victim.isReady();
  const [guest] = hub.guests;
  const isCut = await victim.until(() => guest?.socket.destroyed === true);
  const acknowledged = hub.heard.flatMap((frame) => (frame.type === 'ack' ? frame.seqs : []));
  return {
    held: isCut && !victim.child.isOver,
    seen: isCut ? 'the agent cut the connection' : 'the agent read on',
    figures: {
      'deliveries pushed': PUSHED,
      'credit of a connection': PROTOCOL_LIMITS.initialCreditMessages,
      'deliveries acknowledged': acknowledged.length,
    },
  };
}

const HIGHEST = 0xffff_ffff;

async function useUpNumbers(scene: Scene): Promise<Seen> {
  const shown: number[] = [];
  const createdMs = Date.now();
  const record = createIdentityRecord({
    keyPair: AgentKeyPair.generate(),
    name: 'nobody',
    createdMs,
    validUntilMs: createdMs + 1e9,
    revision: HIGHEST - 1,
  });
  const hub = await scene.falseHub({
    on: (frame, guest) => {
      if (frame.type === 'get_bundle') return guest.say({ type: 'bundle', re: frame.id, record });
      if (frame.type !== 'put_identity') return false;
      shown.push(parseIdentityRecord(frame.record).revision);
      return guest.say({ type: 'error', re: frame.id, code: 'BAD_RECORD', message: 'x' });
    },
  });
  const victim = scene.victim({ target: hub.target });
  for (let round = 1; round <= 4; round++) {
    await victim.until(() => shown.length >= round || victim.child.isOver, 15_000);
    hub.cut();
  }
  const highest = Math.max(...shown);
  const bound = Math.floor(Date.now() / 1_000) + 2 ** 17 + 2;
  return {
    held: shown.length > 0 && highest <= bound,
    seen: `the agent showed ${shown.length} records, the highest with revision ${highest}`,
    figures: { 'highest revision': highest, 'bound near the clock': bound },
  };
}

async function listForEver(scene: Scene): Promise<Seen> {
  let pages = 0;
  const hub = await scene.falseHub({
    on: (frame, guest) => {
      if (frame.type !== 'list') return false;
      pages += 1;
      return guest.say({ type: 'agents', re: frame.id, names: ['bob'], next: 'bob' });
    },
  });
  const victim = scene.victim({ target: hub.target });
  if (!(await victim.isReady())) return { held: false, seen: 'the agent did not start' };
  const answer = JSON.stringify(await victim.ask({ ask: 'names' }));
  const held = answer.includes('BAD_FRAME') && pages < 10;
  return { held, seen: `listPeers() ended with ${answer} after ${pages} pages` };
}

export const FALSE_HUB_ATTACKS: readonly Attack[] = [
  {
    name: 'stolen-token',
    test: 'T-A35',
    against: 'agent',
    tries: 'ends TLS in front of the hub with its own certificate and reads what the agent says',
    promised: 'no token, name or key leaves an agent before the hub has proved its key',
    run: stealToken,
  },
  {
    name: 'unproven-refusal',
    test: 'T-A36',
    against: 'agent',
    tries: 'cuts the connection and answers in place of the hub with final refusals',
    promised: 'nothing that the hub has not signed ends an agent',
    run: refuseUnproven,
  },
  {
    name: 'credit-overrun',
    test: 'T-A33',
    against: 'agent',
    tries: `proves its key as a hub and pushes ${PUSHED} deliveries at once`,
    promised: 'a hub that pushes more than it was asked for is cut off',
    run: overrunCredit,
  },
  {
    name: 'used-up-numbers',
    test: 'T-A37',
    against: 'agent',
    tries: "refuses each record of the agent as too old and shows a stranger's highest one",
    promised: 'revisions stay near the clock, whatever a hub says',
    run: useUpNumbers,
  },
  {
    name: 'endless-listing',
    test: 'T-A38',
    against: 'agent',
    tries: 'answers a listing with the same page again and again',
    promised: 'no question to a hub goes on for ever',
    run: listForEver,
  },
];
