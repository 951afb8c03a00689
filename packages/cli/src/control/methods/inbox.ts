/**
 * Methods of the inbox: taking messages, and deciding about them. Owns the waiting and who is
 * meant; leases are the mailbox', and `lease-book` keeps them for the next holder.
 */
import type { Mailbox, Message } from '@agentmesh/agent';
import type { Mail, OneMail } from '../api.js';
import type { Hold, MethodWorks, Visitor } from '../hold.js';
import { within } from '../hold.js';
import { KEEP_MS, keptInTime, LEAST_KEEP_MS, payloadOf } from './sending.js';

const MAX = 10;
const LEASE_MS = 300_000;
/** How long an agent may take to get what waited at the hub. */
const FETCH_MS = 10_000;
const POLL_MS = 20;

type InboxMethod =
  'inbox' | 'wait' | 'listen' | 'extend' | 'release' | 'reply' | 'ack' | 'refuse' | 'fail';

/** inbox, wait, listen, extend, release, reply, ack, refuse, fail. */
export function inboxMethods(hold: Hold): MethodWorks<InboxMethod> {
  const { leases } = hold;
  const onOne =
    <P extends OneMail>(
      work: (mailbox: Mailbox, params: P, message: Message) => void | Promise<void>,
    ) =>
    async (params: P): Promise<Record<string, never>> => {
      const mailbox = hold.mailbox();
      await settled(mailbox, params);
      const message = mailbox.find(params.id, params.from);
      await work(mailbox, params, message);
      return {};
    };
  /** What ends the lease of a message with it, once that is committed. */
  const ending = <P extends OneMail>(work: (mailbox: Mailbox, params: P) => void | Promise<void>) =>
    onOne<P>(async (mailbox, params, message) => {
      await work(mailbox, params);
      leases.end(message);
    });
  return {
    async inbox({ max = MAX, waitMs = 0, leaseMs = LEASE_MS, from }, visitor) {
      const mailbox = hold.mailbox();
      const only = senderIs(from);
      await arrival(mailbox, only, waitMs, visitor);
      if (visitor.signal.aborted) return { messages: [] };
      if (leaseMs === 0) {
        const free = mailbox.list().filter(({ isFree, message }) => isFree && only(message));
        return { messages: free.slice(0, max).map(({ message }) => mailOf(message)) };
      }
      const taken = mailbox.take({ max, lease: leaseMs, only });
      leases.note(taken, leaseMs);
      return { messages: taken.map(mailOf) };
    },
    async wait({ waitMs, from }, visitor) {
      const mailbox = hold.mailbox();
      const only = senderIs(from);
      await arrival(mailbox, only, waitMs, visitor);
      return { waiting: freeIn(mailbox, only) };
    },
    async listen(_params, visitor) {
      hold.mailbox();
      hold.listen(visitor);
      return {};
    },
    extend: onOne((mailbox, { id, from, leaseMs }, message) => {
      mailbox.extend(id, leaseMs, from);
      leases.note([message], leaseMs);
    }),
    release: ending((mailbox, { id, from }) => mailbox.release(id, from)),
    async reply({ id, from, keep = false, waitMs = KEEP_MS, ...content }, visitor) {
      const mailbox = hold.mailbox();
      await settled(mailbox, { id, from });
      const message = mailbox.find(id, from);
      // An operation gives exactly what its contract says.
      const isOperation = typeof message.asks?.op === 'string' && content.text === undefined;
      const exact = content.value !== undefined || isOperation;
      const giveUp = new AbortController();
      const { signal } = giveUp;
      const begun = message.reply(payloadOf(content), { exact, signal });
      const sent = await keptInTime(begun, Math.max(LEAST_KEEP_MS, waitMs), giveUp, visitor);
      // Its answer is committed; the message itself may go.
      if (!keep) await mailbox.ack(id, message.address);
      if (!keep) leases.end(message);
      return { id: sent.id };
    },
    ack: ending((mailbox, { id, from }) => mailbox.ack(id, from)),
    refuse: ending((mailbox, { id, from, reason }) => mailbox.refuse(id, reason, from)),
    fail: ending((mailbox, { id, from, reason }) => mailbox.fail(id, new Error(reason), from)),
  };
}

/** A message as it is told. */
function mailOf(message: Message): Mail {
  const { id, sender, address, fingerprint, trust, text, payload, replyTo, asks } = message;
  const { sentMs, receivedMs } = message.provenance;
  const { redelivered } = message;
  const value = typeof asks?.op === 'string' ? message.value : null;
  const prompt = message.toPrompt();
  const who = { from: sender, address, fingerprint, trust };
  return {
    id,
    ...who,
    text,
    payload,
    sentMs,
    receivedMs,
    replyTo,
    asks,
    value,
    redelivered,
    prompt,
  };
}

function senderIs(from: string | undefined): (message: Message) => boolean {
  if (from === undefined) return () => true;
  if (from === 'verified') return ({ trust }) => trust === 'verified';
  return ({ sender, address }) => sender === from || address === from;
}

function freeIn(mailbox: Mailbox, only: (message: Message) => boolean): number {
  return mailbox.list().filter(({ isFree, message }) => isFree && only(message)).length;
}

/** Waits until there is a message to be taken. */
async function arrival(
  mailbox: Mailbox,
  only: (message: Message) => boolean,
  waitMs: number,
  { signal }: Visitor,
): Promise<void> {
  // What an earlier run has left is in the mailbox one turn after its opening.
  await turn();
  const isThere = (): boolean => freeIn(mailbox, only) > 0;
  if (isThere()) return;
  // An agent that has just been opened gets first what waited at the hub.
  const fetchMs = mailbox.behind > 0 ? Math.max(waitMs, FETCH_MS) : waitMs;
  if (fetchMs === 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const forget = mailbox.onFree(() => {
    if (isThere()) resolve();
  });
  const poll = setInterval(() => {
    if (waitMs === 0 && mailbox.behind === 0) resolve();
  }, POLL_MS);
  await within(promise, fetchMs, signal);
  clearInterval(poll);
  forget();
}

/** A message that an earlier run has left may come into the mailbox a turn after its opening. */
async function settled(mailbox: Mailbox, { id }: OneMail): Promise<void> {
  if (!mailbox.list().some(({ message }) => message.id === id)) await turn();
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
