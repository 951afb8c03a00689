/**
 * What each command prints with `--json`: one object a line, in the shape that stands here. Owns
 * these shapes; a compiler error says where they are not those of the methods behind them.
 */
import { z } from 'zod';
import type { HubMethods } from '../control/hub-operator.js';
import { METHODS, SHAPES } from '../control/schemas.js';
import type { Finding } from '../holder/examination.js';

const { call, contact, deadMail, error, mail, part, peerInfo, sent, waitingMail } = SHAPES;
const id = z.string();
const address = z.string();
const fingerprint = z.string();

/** A run of a program that mail has woken: how it ended. */
const run = z.union([
  z.object({ ids: z.array(id), from: z.array(z.string()), exit: z.number() }),
  z.object({ ids: z.array(id), from: z.array(z.string()), failed: z.string() }),
]);
const up = z.object({
  state: z.literal('up'),
  name: z.string(),
  address,
  fingerprint,
  hubs: z.array(z.string()),
  invite: z.string().nullable(),
});
const finding: z.ZodType<Finding> = z.object({
  check: z.string(),
  state: z.enum(['good', 'note', 'bad']),
  detail: z.string(),
  remedy: z.string().nullable(),
});
const revocation = z.object({ address, fingerprint, revocation: z.string() });

type HubResult<M extends keyof HubMethods> = z.ZodType<HubMethods[M]['result']>;

const hubAgent: z.ZodType<HubMethods['agents']['result']['agents'][number]> = z.object({
  name: z.string(),
  address,
  listed: z.boolean(),
  connected: z.boolean(),
  banned: z.boolean(),
  queued: z.number(),
});
const hubQueue: z.ZodType<HubMethods['queues']['result']['queues'][number]> = z.object({
  name: z.string().nullable(),
  address,
  connected: z.boolean(),
  messages: z.number(),
  bytes: z.number().nullable(),
});
const hubPage: HubResult<'show'> = z.object({
  name: z.string().nullable(),
  address,
  state: z.enum(['unknown', 'registered', 'succeeded', 'revoked']),
  connected: z.boolean(),
  banned: z.boolean(),
  seenMs: z.number().nullable(),
  retiredMs: z.number().nullable(),
  published: z.boolean(),
  signedPrekey: z.boolean(),
  oneTimePrekeys: z.number(),
  queued: z.number(),
  oldestMs: z.number().nullable(),
  senders: z.array(
    z.object({
      name: z.string().nullable(),
      address,
      messages: z.number(),
      bytes: z.number(),
    }),
  ),
});
const hubState: HubResult<'status'> = z.object({
  version: z.string(),
  port: z.number(),
  hubKey: z.string(),
  hubId: z.string(),
  connections: z.number(),
  agents: z.number(),
  queued: z.number(),
  queuedBytes: z.number(),
  deadLettered: z.number(),
  full: z.boolean(),
  banned: z.number(),
});
const hubBan: HubResult<'ban'> = z.object({
  address,
  added: z.boolean(),
  disconnected: z.boolean(),
});
const hubFree: HubResult<'free'> = z.object({ address, purged: z.number() });
const hubToken: HubResult<'newToken'> = z.object({ token: z.string(), file: z.string() });
const hubBackup: HubResult<'backup'> = z.object({ file: z.string(), bytes: z.number() });

/** By the words of a command. */
export const OUTPUTS: Readonly<Record<string, z.ZodType>> = {
  up: z.union([up, z.object({ state: z.literal('held') }), run]),
  invite: METHODS.invite.result,
  join: peerInfo,
  send: sent,
  ask: z.union([part, call]),
  inbox: mail,
  reply: METHODS.reply.result,
  ack: z.object({ acked: z.array(id) }),
  refuse: z.object({ refused: id }),
  listen: z.union([mail, run]),
  contacts: contact,
  accept: z.object({ peer: z.string(), state: z.literal('accepted') }),
  deny: z.object({ peer: z.string(), state: z.enum(['denied', 'blocked']) }),
  verify: METHODS.verify.result,
  peers: z.union([peerInfo, z.object({ name: z.string() })]),
  calls: call,
  call,
  outbox: waitingMail,
  status: METHODS.status.result,
  whoami: METHODS.whoami.result,
  doctor: finding,
  rotate: METHODS.rotate.result,
  revoke: z.object({ revoked: z.literal(true) }),
  'dead-letters list': deadMail,
  'dead-letters show': deadMail,
  'dead-letters retry': z.object({ retried: z.array(id), held: z.boolean() }),
  'dead-letters drop': z.object({ dropped: z.array(id) }),
  'identity show': z.object({
    name: z.string().nullable(),
    address,
    fingerprint,
    legacyFingerprint: z.string(),
  }),
  'identity create': revocation,
  'identity revocation': revocation,
  'identity revoke': z.object({ revoked: z.literal(true) }),
  'hub status': hubState,
  'hub agents': hubAgent,
  'hub queues': hubQueue,
  'hub show': hubPage,
  'hub banned': z.object({ address, note: z.string() }),
  'hub kick': z.object({ address, kicked: z.literal(true) }),
  'hub ban': hubBan,
  'hub unban': z.object({ address }),
  'hub purge': hubFree,
  'hub free': hubFree,
  'hub token new': hubToken,
  'hub backup': hubBackup,
  'contract add': z.object({ id: z.string(), operations: z.array(z.string()) }),
  'contract list': z.object({ id: z.string(), operations: z.array(z.string()) }),
  'contract remove': z.object({ removed: z.string() }),
  'skill install': z.object({ agent: z.string(), file: z.string() }),
};

/** What goes to standard error where a command fails. */
export const ERROR_OUTPUT: z.ZodType = error;

/** JSON Schema of what a command prints; of all commands, and of errors, without a name. */
export function outputSchemas(command: string | null): object {
  const schemaOf = (shape: z.ZodType): object => {
    const { $schema: _, ...rest } = z.toJSONSchema(shape, { io: 'input' });
    return rest;
  };
  const $schema = 'https://json-schema.org/draft/2020-12/schema';
  if (command !== null) return { $schema, ...schemaOf(OUTPUTS[command] ?? z.never()) };
  const commands = Object.entries(OUTPUTS).map(([name, shape]) => [name, schemaOf(shape)]);
  return { $schema, commands: Object.fromEntries(commands) as object, error: schemaOf(error) };
}
