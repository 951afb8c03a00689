/**
 * T-S8: both sides begin at once. An execution is what each side does in which order, so the merges
 * of three sends and three receipts on either side cover every interleaving of the six messages.
 */
import { expect, test } from '@jest/globals';
import { toHex } from '@agentmesh/crypto';
import { fromBase64Url } from '@agentmesh/protocol';
import type { SealedEnvelope } from '../src/index.js';
import { introducedPair, onlyPeer, sendingSid } from './pair.js';
import type { Pair, Side } from './pair.js';

type Step = 'send' | 'receive';
const EACH = 3;

/** All orders of `sends` sends and `receives` receipts. */
function merges(sends: number, receives: number): Step[][] {
  if (sends === 0 && receives === 0) return [[]];
  const first = (step: Step, rest: Step[][]): Step[][] => rest.map((order) => [step, ...order]);
  return [
    ...(sends > 0 ? first('send', merges(sends - 1, receives)) : []),
    ...(receives > 0 ? first('receive', merges(sends, receives - 1)) : []),
  ];
}

type Name = 'a' | 'b';
type Orders = Record<Name, readonly Step[]>;

/** One possible order of the steps of both; null when each side waits for the other. */
function schedule(orders: Orders): { me: Name; step: Step }[] | null {
  const done = { a: 0, b: 0 };
  const sent = { a: 0, b: 0 };
  const received = { a: 0, b: 0 };
  const steps: { me: Name; step: Step }[] = [];
  const can = (me: Name): boolean => {
    const step = orders[me][done[me]];
    return step === 'send' || (step === 'receive' && received[me] < sent[otherOf(me)]);
  };
  for (
    let me = (['a', 'b'] as const).find(can);
    me !== undefined;
    me = (['a', 'b'] as const).find(can)
  ) {
    const step = orders[me][done[me]] ?? 'send';
    steps.push({ me, step });
    done[me] += 1;
    if (step === 'send') sent[me] += 1;
    else received[me] += 1;
  }
  return steps.length === 4 * EACH ? steps : null;
}

function otherOf(me: Name): Name {
  return me === 'a' ? 'b' : 'a';
}

const NAMES = { a: 'alice', b: 'bob' };

/** Runs the steps; every message must be opened. */
async function run(pair: Pair, steps: readonly { me: Name; step: Step }[]): Promise<void> {
  const wires: Record<Name, SealedEnvelope[]> = { a: [], b: [] };
  for (const [n, { me, step }] of steps.entries()) {
    const other = otherOf(me);
    if (step === 'send') {
      wires[me].push(await seal(pair, pair[me], NAMES[other], `${n}`));
    } else {
      const wire = wires[other].shift();
      expect(wire && (await pair[me].agent.open(wire)).sender).toBe(NAMES[other]);
    }
  }
}

async function seal(pair: Pair, from: Side, to: string, text: string): Promise<SealedEnvelope> {
  const envelope = await from.agent.seal(to, text);
  pair.ledger.record(fromBase64Url(envelope.blob));
  return envelope;
}

/** One message in each direction. */
async function roundTrip(pair: Pair): Promise<void> {
  await pair.b.agent.open(await seal(pair, pair.a, 'bob', 'ping'));
  await pair.a.agent.open(await seal(pair, pair.b, 'alice', 'pong'));
}

async function agree(pair: Pair): Promise<boolean> {
  const sid = await sendingSid(pair.a.store);
  return sid !== null && sid === (await sendingSid(pair.b.store));
}

test('T-S8 crossing: any order of six messages leaves one session, loses none', async () => {
  const orders = merges(EACH, EACH);
  const executions = orders
    .flatMap((a) => orders.map((b) => schedule({ a, b })))
    .filter((steps) => steps !== null);
  // 400 pairs of orders; in the others each side waits for what the other has not sent yet.
  expect([orders.length, executions.length]).toEqual([20, 175]);
  const winners = { a: 0, b: 0 };
  for (const [seed, steps] of executions.entries()) {
    const pair = await introducedPair(seed);
    await run(pair, steps);
    if (!(await agree(pair))) await roundTrip(pair);
    expect(await agree(pair)).toBe(true);
    // The better one by §2.9, not whichever was used last: all are of one generation here.
    const { sessions } = await onlyPeer(pair.a.store);
    const [lowest] = sessions.map(({ sid }) => toHex(sid)).toSorted();
    expect(await sendingSid(pair.a.store)).toBe(lowest);
    winners[await beganBy(pair)] += 1;
    await pair.close();
  }
  expect(winners.a).toBeGreaterThan(20);
  expect(winners.b).toBeGreaterThan(20);
}, 60_000);

/** Who began the session that is left. */
async function beganBy(pair: Pair): Promise<Name> {
  const sid = await sendingSid(pair.a.store);
  const peer = await onlyPeer(pair.a.store);
  return peer.sessions.find((entry) => toHex(entry.sid) === sid)?.ours === true ? 'a' : 'b';
}
