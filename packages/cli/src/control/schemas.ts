/**
 * The parameters and results of every method, as they are checked and described. Owns these shapes;
 * a compiler error says where they are not those of `api`.
 */
import { z } from 'zod';
import type {
  ControlMethod,
  DeadMail,
  Json,
  JsonMembers,
  ParamsOf,
  ResultOf,
  StreamPart,
  WaitingMail,
} from './api.js';

/** One method as it is described. */
export interface MethodSchema<M extends ControlMethod> {
  readonly summary: string;
  readonly params: z.ZodType<ParamsOf<M>>;
  readonly result: z.ZodType<ResultOf<M>>;
}

const ms = z.number().int().min(0).max(3_153_600_000_000);
const id = z.string().regex(/^[0-9a-f]{32}$/, 'an id: 32 hex digits');
const peer = z.string().min(1).max(512);
const json: z.ZodType<Json> = z.json();
const members: z.ZodType<JsonMembers> = z.record(z.string(), json);
const nothing = z.strictObject({});
const trust = z.enum(['first-contact', 'pinned', 'verified']);

const whoami = z.object({
  name: z.string(),
  address: z.string(),
  fingerprint: z.string(),
  connection: z.enum(['online', 'offline', 'ended', 'none']),
  hubs: z.array(z.string()),
});
const status = whoami.extend({
  peers: z.number(),
  sessions: z.number(),
  outbox: z.number(),
  inbox: z.number(),
  pendingContacts: z.number(),
  contested: z.array(z.string()),
  openCalls: z.number(),
  deadLetters: z.number(),
  hubAheadMs: z.number(),
  oneTimePrekeys: z.number().nullable(),
  holder: z.object({ pid: z.number(), version: z.string(), sinceMs: z.number() }),
});
const peerInfo = z.object({
  name: z.string(),
  address: z.string(),
  fingerprint: z.string(),
  trust,
  contested: z.boolean(),
  session: z.enum(['none', 'one-time', 'no-one-time']),
});
const contact = peerInfo.extend({
  state: z.enum(['accepted', 'pending', 'denied', 'blocked']),
  sinceMs: z.number().nullable(),
  messages: z.number(),
  preview: z.string().nullable(),
});
const mail = z.object({
  id: z.string(),
  from: z.string(),
  address: z.string(),
  fingerprint: z.string(),
  trust,
  text: z.string(),
  payload: members,
  sentMs: z.number(),
  receivedMs: z.number().nullable(),
  replyTo: z.string().nullable(),
  asks: z.object({ op: z.string().nullable(), byMs: z.number() }).nullable(),
  value: json,
  redelivered: z.boolean(),
  prompt: z.string(),
});
const error = z.object({
  code: z.string(),
  retryable: z.boolean(),
  message: z.string(),
  remedy: z.string().nullable(),
});
const call = z.object({
  id: z.string(),
  peer: z.string(),
  state: z.enum(['open', 'answered', 'failed']),
  deadlineMs: z.number(),
  answer: json,
  error: error.nullable(),
  prompt: z.string().nullable(),
});
const sent = z.object({
  id: z.string(),
  to: z.string(),
  state: z.enum(['queued', 'accepted', 'delivered', 'handled']),
});
const content = { text: z.string().optional(), data: members.optional() };
const exact = { ...content, value: json.optional() };
const oneMail = { id, from: peer.optional() };
const tag = z.string().min(1).max(64).optional();
const part: z.ZodType<StreamPart> = z.object({
  at: z.number(),
  value: json,
  base64: z.string().nullable(),
});
const ask = z.strictObject({
  to: peer,
  ...exact,
  op: z.string().max(200).optional(),
  timeoutMs: ms.optional(),
  waitMs: ms.optional(),
  key: z.string().min(1).max(128).optional(),
  tag,
});

const deadMail: z.ZodType<DeadMail> = z.object({
  id: z.string(),
  sender: z.string(),
  recipient: z.string(),
  address: z.string(),
  fingerprint: z.string(),
  trust,
  type: z.string(),
  text: z.string(),
  payload: members,
  timestamp: z.number(),
  replyTo: z.string().nullable(),
  attempts: z.number(),
});
const waitingMail: z.ZodType<WaitingMail> = z.object({
  peer: z.string(),
  messages: z.number(),
  sinceMs: z.number().nullable(),
});

/** What several methods give, and commands print. */
export const SHAPES = { call, contact, deadMail, error, mail, part, peerInfo, sent, waitingMail };

/** Every method. */
export const METHODS: { readonly [M in ControlMethod]: MethodSchema<M> } = {
  hello: {
    summary: 'The first request of a connection: both sides say their versions',
    params: z.strictObject({
      protocol: z.number().int(),
      version: z.string().max(64),
      client: z.string().max(64),
    }),
    result: z.object({
      protocol: z.number(),
      version: z.string(),
      pid: z.number(),
      name: z.string(),
    }),
  },
  handover: {
    summary: 'Asks the holder to leave the agent to the caller; only one that stands in does',
    params: nothing,
    result: z.object({ given: z.boolean() }),
  },
  whoami: { summary: 'Who this agent is', params: nothing, result: whoami },
  status: { summary: 'How it is doing, and who holds it', params: nothing, result: status },
  peers: {
    summary: 'Peers that are known here',
    params: nothing,
    result: z.object({ peers: z.array(peerInfo) }),
  },
  names: {
    summary: 'Names of all agents on the hub',
    params: nothing,
    result: z.object({ names: z.array(z.string()) }),
  },
  send: {
    summary: 'Sends a message; it is kept here before anything else happens',
    params: z.strictObject({
      to: peer,
      ...content,
      wait: z.enum(['queued', 'accepted', 'delivered', 'handled']).optional(),
      waitMs: ms.optional(),
      ttlMs: ms.min(1).optional(),
      tag,
    }),
    result: sent,
  },
  ask: { summary: 'Asks another agent and waits for its answer', params: ask, result: call },
  call: { summary: 'Asks another agent; the answer is fetched later', params: ask, result: call },
  stream: {
    summary: 'Asks another agent for an answer in many parts, which are read',
    params: ask.omit({ waitMs: true }),
    result: z.object({ id: z.string() }),
  },
  read: {
    summary: 'The next part of such an answer, or its end',
    params: z.strictObject({ id, waitMs: ms.optional() }),
    result: z.object({ parts: z.array(part), end: call.nullable() }),
  },
  call_status: {
    summary: 'What became of a call; its answer is given once',
    params: z.strictObject({ id, waitMs: ms.optional() }),
    result: call,
  },
  cancel: { summary: 'Gives a call up', params: z.strictObject({ id }), result: nothing },
  calls: {
    summary: 'Calls that have not ended, and those whose answers were not read',
    params: nothing,
    result: z.object({ calls: z.array(call) }),
  },
  inbox: {
    summary: 'Takes messages: they stay in the inbox, and nobody else gets them for a while',
    params: z.strictObject({
      max: z.number().int().min(1).max(1_000).optional(),
      waitMs: ms.optional(),
      leaseMs: ms.optional(),
      from: peer.optional(),
    }),
    result: z.object({ messages: z.array(mail) }),
  },
  wait: {
    summary: 'Waits until there are messages to be taken; takes none',
    params: z.strictObject({ waitMs: ms, from: peer.optional() }),
    result: z.object({ waiting: z.number() }),
  },
  extend: {
    summary: 'The lease of a message begins anew',
    params: z.strictObject({ ...oneMail, leaseMs: ms.min(1) }),
    result: nothing,
  },
  release: {
    summary: 'The lease of a message ends',
    params: z.strictObject(oneMail),
    result: nothing,
  },
  reply: {
    summary: 'Answers a message; with that it is handled, unless it is to be kept',
    params: z.strictObject({
      ...oneMail,
      ...exact,
      keep: z.boolean().optional(),
      waitMs: ms.optional(),
    }),
    result: z.object({ id: z.string() }),
  },
  ack: { summary: 'A message is handled', params: z.strictObject(oneMail), result: nothing },
  refuse: {
    summary: 'A message is refused; its sender is told why',
    params: z.strictObject({ ...oneMail, reason: z.string().max(1_000) }),
    result: nothing,
  },
  fail: {
    summary: 'An attempt has failed: the message comes again, and is a dead letter after five',
    params: z.strictObject({ ...oneMail, reason: z.string().max(10_000) }),
    result: nothing,
  },
  contacts: {
    summary: 'Every peer, and whether it may reach the inbox',
    params: nothing,
    result: z.object({ contacts: z.array(contact) }),
  },
  accept: {
    summary: 'What this peer says reaches the inbox',
    params: z.strictObject({ peer }),
    result: nothing,
  },
  deny: {
    summary: 'What this peer says is refused; with `block` it is dropped unread',
    params: z.strictObject({ peer, block: z.boolean().optional() }),
    result: nothing,
  },
  verify: {
    summary: 'What two people compare; with a fingerprint that fits, the peer is verified',
    params: z.strictObject({ peer, fingerprint: z.string().max(128).optional() }),
    result: z.object({
      name: z.string(),
      address: z.string(),
      fingerprint: z.string(),
      trust,
      safetyNumber: z.string(),
    }),
  },
  invite: {
    summary: 'Makes an invite: one line with which another agent joins',
    params: z.strictObject({
      uses: z.number().int().min(1).max(10_000).optional(),
      expiresMs: ms.min(1).optional(),
      token: z.string().min(1).max(512).optional(),
    }),
    result: z.object({ link: z.string() }),
  },
  join: {
    summary: 'Joins with an invite',
    params: z.strictObject({ link: z.string().max(8_192) }),
    result: peerInfo,
  },
  outbox: {
    summary: 'Messages that the hub does not have yet, by their peers',
    params: nothing,
    result: z.object({
      waiting: z.array(waitingMail),
    }),
  },
  listen: {
    summary: 'This connection is the one that wakes a program when mail comes: there is only one',
    params: nothing,
    result: nothing,
  },
  rotate: {
    summary: 'Changes to a new identity under the same name; peers follow',
    params: z.strictObject({ giveUpUnsent: z.boolean().optional() }),
    result: z.object({ address: z.string(), fingerprint: z.string() }),
  },
  revocation: {
    summary: 'The record that ends this identity for ever',
    params: nothing,
    result: z.object({ revocation: z.string() }),
  },
  revoke: {
    summary: 'Shows a revocation, of this identity or another: it is ended for ever',
    params: z.strictObject({ revocation: z.string().max(512) }),
    result: nothing,
  },
  dead_letters: {
    summary: 'Messages that every attempt failed on',
    params: nothing,
    result: z.object({
      letters: z.array(deadMail),
    }),
  },
  retry: {
    summary: 'A dead letter is tried again',
    params: z.strictObject({ id }),
    result: nothing,
  },
  drop: {
    summary: 'A dead letter is forgotten for good',
    params: z.strictObject({ id }),
    result: nothing,
  },
};
