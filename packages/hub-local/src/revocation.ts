/**
 * The verb `put_revocation` (protocol.md §2.13, hub.md §2): an identity becomes void on this hub,
 * for ever. Owns the judgement and what follows at once; that nothing is done for a revoked
 * identity afterwards is the store's, in each of its transactions.
 */
import {
  addressOf,
  peerNotFound,
  readPublishedRevocation,
  verifyPublishedRevocation,
} from '@agentmesh/protocol';
import type { OkFrame, PublicIdentity, PutRevocationFrame } from '@agentmesh/protocol';
import { keyStateOf } from './authentication.js';
import type { HubContext } from './hub-context.js';

/**
 * A revocation proves itself, whichever agent submits it: its owner may have lost all else.
 * Answers once it is durable and what waits for the identity has been put on its way out.
 */
export async function putRevocation(
  hub: HubContext,
  frame: PutRevocationFrame,
  caller: PublicIdentity,
): Promise<OkFrame> {
  const read = readPublishedRevocation(frame.revocation);
  if (!read.ok) throw read.error;
  const { aid, bytes } = read.value;
  const held = await hub.store.takeBundle({ aid, oneTime: false, nowMs: hub.host.clock() });
  if (held === null) throw peerNotFound(addressOf(aid));
  const verified = verifyPublishedRevocation(read.value, held.record);
  if (!verified.ok) throw verified.error;
  const result = await hub.store.putRevocation({ aid, revocation: bytes });
  if (result === 'unknown') throw peerNotFound(addressOf(aid));
  hub.roster.bar(aid);
  hub.neighbourhood.revoked(aid);
  try {
    await dropQueue(hub, aid);
    return { type: 'ok', re: frame.id, ...keyStateOf(await hub.store.keys(caller.aid)) };
  } finally {
    // Later than the answer, in case the caller has revoked itself.
    hub.host.defer(() => hub.roster.revoke(aid));
  }
}

/**
 * Nobody will take what waits: it goes the way of dead letters, page by page, and its senders are
 * told. What a crash leaves behind is never delivered either, and expires.
 */
async function dropQueue({ store, writer, limits, host }: HubContext, recipient: Uint8Array) {
  const page = { messages: limits.pageMessages, bytes: limits.pageBytes };
  for (let after = 0, end = false; !end;) {
    const found = await store.read({ recipient, after, ...page, nowMs: host.clock() });
    for (const { seq } of found.entries) {
      writer.deadLetter({ recipient, seq });
      after = seq;
    }
    await new Promise<void>((resolve) => {
      writer.whenSettled(resolve);
    });
    end = found.end;
  }
}
