/**
 * What the last commit about each peer lets the program be told of its messages. A process that
 * ends between the commit and the telling leaves that to the next one, so that no receipt is spent
 * in silence. Owns these rows; each replaces the one before, which was told by then.
 */
import { fromHex, toHex } from '@agentmesh/crypto';
import type { AgentContext } from '../agent-context.js';
import type { Received } from '../conversation/judge.js';
import type { AgentEvents } from '../message/events.js';
import { RowReader, RowWriter } from '../store/row-codec.js';
import { aidOfKey, ROW } from '../store/row-keys.js';
import { rowsUnder } from '../store/row-pages.js';
import type { StoreOperation } from '../store/store.js';
import type { Deliveries } from './deliveries.js';

type Step = Pick<AgentEvents['outgoing'], 'id' | 'state' | 'reason'>;

const VERSION = 1;
const ID_BYTES = 16;
/** More of one commit are told by this process only. */
const STEPS = 1_000;

/** What is written with messages of one peer that are committed together. */
export function toldWith(
  all: readonly Received[],
  { boot, deliveries }: { readonly boot: number; readonly deliveries: Deliveries },
): readonly StoreOperation[] {
  const steps = all.flatMap((received) => stepsIn(received, deliveries)).slice(0, STEPS);
  const peer = all.at(-1)?.peer;
  if (steps.length === 0 || peer === undefined) return [];
  const row = new RowWriter().u8(VERSION).u32(boot).text(peer.name);
  row.list(steps, ({ id, state, reason }) =>
    row
      .fixed(fromHex(id))
      .text(state)
      .text(reason ?? ''),
  );
  return [{ put: ROW.told(peer.identity.aid), value: row.finish() }];
}

function stepsIn(received: Received, deliveries: Deliveries): Step[] {
  const { peer, epoch, acknowledged, acknowledgedEarlier, body, repeated } = received;
  const awaited = deliveries.idsUpTo(peer.identity.aid, epoch, acknowledged);
  const ids = [...acknowledgedEarlier.map(({ id }) => id), ...awaited];
  const delivered = ids.map((id): Step => ({ id, state: 'delivered', reason: null }));
  if (body.kind !== 'outcome' || repeated) return delivered;
  const ended = body.outcomes.map(({ msgId, state, reason }): Step => {
    return { id: toHex(msgId), state, reason: reason === '' ? null : reason };
  });
  return [...delivered, ...ended];
}

/** What the run before may not have told, if it was cut off. */
export async function untold(
  { self, store }: AgentContext,
  deliveries: Deliveries,
): Promise<() => void> {
  const all: Parameters<Deliveries['toldEarlier']>[0][] = [];
  if (self.cutBoot === null) return () => {};
  for await (const { key, value } of rowsUnder(store, 'told')) {
    const row = new RowReader(value, 'told');
    if (row.u8() !== VERSION) row.fail();
    const isOfCut = row.u32() === self.cutBoot;
    const sent = { aid: aidOfKey(key), peer: row.text() };
    const steps = row.list(() => ({
      id: toHex(row.fixed(ID_BYTES)),
      state: row.text() as Step['state'],
      reason: row.text() || null,
    }));
    row.end();
    if (isOfCut) all.push(...steps.map((step) => ({ ...sent, ...step })));
  }
  return () => {
    for (const each of all) deliveries.toldEarlier(each);
  };
}
