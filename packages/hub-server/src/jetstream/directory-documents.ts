/**
 * The two documents of the directory in NATS: that of a name, which says who holds it, and that of
 * an agent, which counts only while a name confirms it. Owns what they hold; when they are written
 * is `directory`'s.
 */
import * as z from 'zod';

const bytes = z.base64url();

export const nameShape = z.object({
  aid: bytes,
  /** Whether a session can begin with its holder; written last, and set right by its next word. */
  listed: z.boolean().default(true),
  /** Whether it is held only while its holder is connected, and since when that is not. */
  transient: z.boolean().default(false),
  leftMs: z.number().nullable().default(null),
  /** Who held the name before, and since when not any more. */
  past: z.array(z.object({ aid: bytes, untilMs: z.number() })),
});
export type NameDocument = z.output<typeof nameShape>;

export const agentShape = z.object({
  name: z.string(),
  /** The last connection: of which opening, the how manyeth, and to which hub. */
  opening: z
    .object({ instance: bytes, boot: z.number(), connection: z.number(), hub: z.string() })
    .nullable(),
  record: z.object({ revision: z.number(), bytes }).nullable(),
  /** Once there, for ever. */
  revocation: bytes.nullable().default(null),
});
export type AgentDocument = z.output<typeof agentShape>;

/** An agent that some name confirms. */
export interface KnownAgent {
  readonly document: AgentDocument;
  readonly revision: number;
  /** When a successor took the name; null while this identity holds it. */
  readonly retiredAtMs: number | null;
  readonly name: NameDocument;
}

/** Whether a former holder of a name is let in no more. */
export function isGone(retiredAtMs: number | null, nowMs: number, retiredMs: number): boolean {
  return retiredAtMs !== null && nowMs - retiredAtMs >= retiredMs;
}

/** Equal bytes may be stored again; other bytes of one revision never. */
export function isStale(
  stored: { readonly revision: number; readonly bytes: string },
  next: { readonly revision: number; readonly bytes: string },
): boolean {
  if (next.revision !== stored.revision) return next.revision < stored.revision;
  return next.bytes !== stored.bytes;
}
