/**
 * A message of the application on its way to a peer: through the middleware, with its way, into the
 * outbox or into the caller's hands. Owns these steps; checks of options are `options`'.
 */
import type { JsonObject } from '@agentmesh/protocol';
import { checkSendOptions } from '../engine/options.js';
import type { Engine } from '../engine/engine.js';
import { send } from '../engine/posting.js';
import { namesSelf, parseReference } from '../conversation/trust.js';
import { AgentError } from '../ground/errors.js';
import type { SendOptions, SendResult } from '../message/message.js';
import { messageBody } from '../message/payload.js';
import { wayMember } from '../message/way.js';
import { whenThere } from '../peers/peer-wait.js';
import { deliverToSelf } from '../receiving/self-message.js';
import { patienceOf } from '../sending/patience.js';
import { encodeEnvelope } from '../sending/sealed-envelope.js';
import type { SealedEnvelope } from '../sending/sealed-envelope.js';
import type { Around } from './around.js';

/** An agent as these calls need it. */
export interface Writer {
  readonly engine: Engine;
  readonly around: Around;
}

/** Sends what `bodyOf` makes of a payload, to a peer or to ourselves. */
export async function sendTo(
  { engine, around }: Writer,
  peer: string,
  message: {
    readonly payload: unknown;
    readonly options: SendOptions | undefined;
    readonly bodyOf: (payload: unknown, way: JsonObject) => Uint8Array;
  },
): Promise<SendResult> {
  const { context, deliveries, introductions, hub, dispatcher } = engine;
  context.assertRunning();
  const reference = parseReference(peer);
  const options = checkSendOptions(message.options);
  const way = around.nextWay(options.auto);
  const { payload: given, bodyOf } = message;
  const leaving = { kind: 'message', peer, payload: given, op: null, trace: way.trace } as const;
  return around.send({ ...leaving, auto: way.isAutomatic }, async (payload, trace) => {
    const body = bodyOf(payload, wayMember({ ...way, trace }));
    if (namesSelf(reference, context.name, context.self.aid)) {
      around.loops.sending(context.self.aid, way, false);
      return deliverToSelf({ context, deliveries, dispatcher }, body, options);
    }
    if (hub === null) throw new AgentError('NO_HUB');
    const find = (): Promise<Uint8Array> => introductions.resolve(reference);
    const patience = patienceOf(options, context.runtime);
    try {
      const to = await patience.until(whenThere(context, options.waitForPeer, find));
      around.loops.sending(to, way, false);
      return await send(engine, to, body, { options, patience });
    } finally {
      patience.end();
    }
  });
}

/** Seals a message for any channel. */
export async function sealFor(
  { engine, around }: Writer,
  peer: string,
  content: string | object,
): Promise<SealedEnvelope> {
  const { context, introductions, hub, sender } = engine;
  context.assertRunning();
  const reference = parseReference(peer);
  const way = around.nextWay(undefined);
  const leaving = { kind: 'message', peer, payload: content, op: null, trace: way.trace } as const;
  return around.send({ ...leaving, auto: way.isAutomatic }, async (payload, trace) => {
    const body = messageBody(payload, null, wayMember({ ...way, trace }));
    const known = await introductions.find(reference);
    if (known === null && hub === null) throw new AgentError('UNKNOWN_PEER', 'connectWithBundle()');
    const to = known?.identity.aid ?? (await introductions.resolve(reference));
    around.loops.sending(to, way, false);
    const { wire, peer: recipient } = await sender.seal(to, body);
    return encodeEnvelope({ from: context.self.aid, to: recipient.identity.aid, blob: wire });
  });
}
