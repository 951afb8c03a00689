/**
 * The way between hubs over core NATS (`HubNeighbours`): news to all, and the question to one hub
 * to let go of an agent that has come to us. Owns the subjects' content; delivery is at most once,
 * and whatever else comes on these subjects is passed over.
 */
import { fromBase64Url, toBase64Url } from '@agentmesh/protocol';
import type {
  AgentSpending,
  AgentStanding,
  HubNeighbours,
  HubNews,
  NeighbourListener,
} from '@agentmesh/hub-local';
import * as z from 'zod';
import type { HandedOverEnvelopes } from './handed-over.js';
import type { Layout } from './layout.js';
import type { NatsLink } from './nats-link.js';

const aid = z.base64url().length(43);
const envelopeId = z.base64url().length(22);
const amount = z.number().min(0);
const releaseShape = z.object({ aid, connection: z.number() });
const presenceShape = z.object({ present: aid });
const presentShape = z.object({ isPresent: z.boolean() });
const spendingShape = z.object({
  sends: amount,
  sendBytes: amount,
  requests: amount,
  refusals: amount,
});
const newsShape = z.object({
  stored: z.array(aid).default([]),
  noticed: z.array(aid).default([]),
  /** Sender, envelope and reason. */
  putOff: z
    .array(z.tuple([aid, envelopeId, z.literal(['IDENTITY_CHANGED', 'INSTANCE_HELD'])]))
    .default([]),
  fetched: z.array(z.tuple([aid, aid])).default([]),
  revoked: z.array(aid).default([]),
  /** An agent, the number of its new connection, and the hub that is asked by itself. */
  displaced: releaseShape.extend({ asked: z.string() }).optional(),
});

/** An agent that made a connection to this hub. */
export interface Arrival {
  readonly aid: Uint8Array;
  readonly connection: number;
  /** The hub of its last connection; null for none. */
  readonly cameFrom: string | null;
}

export interface NeighboursParts {
  /** Null where the streams do not pass on what they store. */
  readonly handedOver: HandedOverEnvelopes | null;
  readonly link: NatsLink;
  readonly layout: Layout;
  /** Names this hub among all. */
  readonly owner: string;
  readonly standing: (aid: Uint8Array) => Promise<AgentStanding>;
}

/** A hub that does not answer is gone, or so slow that its agents need not wait for it. */
const ANSWER_MS = 1_000;

/** One per store. */
export class JetStreamNeighbours implements HubNeighbours {
  readonly #parts: NeighboursParts;

  constructor(parts: NeighboursParts) {
    this.#parts = parts;
  }

  tell({ stored, noticed, putOff, fetched, revoked }: HubNews): void {
    this.#publish({
      stored: stored.map(toBase64Url),
      noticed: noticed.map(toBase64Url),
      putOff: putOff.map(({ sender, id, reason }) => [...[sender, id].map(toBase64Url), reason]),
      fetched: fetched.map(({ requester, target }) => [requester, target].map(toBase64Url)),
      revoked: revoked.map(toBase64Url),
    });
  }

  listen(listener: NeighbourListener): () => void {
    const { link, layout, owner } = this.#parts;
    const stops = [
      link.listen(layout.newsSubject, (data) => hear(listener, owner, data)),
      link.listen(layout.hubSubject(owner), (data, reply) => respond(listener, data, reply)),
      link.onRestored(() => listener.missed()),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }

  get attend(): HubNeighbours['attend'] {
    const { handedOver } = this.#parts;
    return handedOver === null ? undefined : handedOver.attend.bind(handedOver);
  }

  standing(identity: Uint8Array): Promise<AgentStanding> {
    return this.#parts.standing(identity);
  }

  /**
   * Ends the older connections of an agent. The hub of the last one says when that is done and what
   * the agent had spent there; null if there is none, or if it does not answer.
   */
  async takeOver(arrival: Arrival): Promise<AgentSpending | null> {
    const { link, layout, owner } = this.#parts;
    const { connection, cameFrom } = arrival;
    const displaced = { aid: toBase64Url(arrival.aid), connection };
    this.#publish({ displaced: { ...displaced, asked: cameFrom ?? '' } });
    if (cameFrom === null || cameFrom === owner) return null;
    const question = encoded(displaced);
    const answer = await link.ask(layout.hubSubject(cameFrom), question, ANSWER_MS);
    return answer === null ? null : decoded(spendingShape, answer);
  }

  /** Whether an agent is connected at another hub; one that does not answer is gone. */
  async isConnectedAt(hub: string, identity: Uint8Array): Promise<boolean> {
    const { link, layout } = this.#parts;
    const question = encoded({ present: toBase64Url(identity) });
    const data = await link.ask(layout.hubSubject(hub), question, ANSWER_MS);
    return data !== null && decoded(presentShape, data)?.isPresent === true;
  }

  #publish(news: object): void {
    const { link, layout } = this.#parts;
    link.tell(layout.newsSubject, encoded(news));
  }
}

function hear(listener: NeighbourListener, owner: string, data: Uint8Array): void {
  const news = decoded(newsShape, data);
  if (news === null) return;
  const { displaced } = news;
  if (displaced !== undefined && displaced.asked !== owner) {
    void listener.displaced(fromBase64Url(displaced.aid), displaced.connection);
  }
  listener.heard({
    stored: news.stored.map(fromBase64Url),
    noticed: news.noticed.map(fromBase64Url),
    putOff: news.putOff.map(([sender, id, reason]) => ({
      sender: fromBase64Url(sender),
      id: fromBase64Url(id),
      reason,
    })),
    fetched: news.fetched.map(([requester, target]) => ({
      requester: fromBase64Url(requester),
      target: fromBase64Url(target),
    })),
    revoked: news.revoked.map(fromBase64Url),
  });
}

function respond(
  listener: NeighbourListener,
  data: Uint8Array,
  reply: (data: Uint8Array) => void,
): void {
  const asked = decoded(presenceShape, data);
  if (asked === null) return release(listener, data, reply);
  reply(encoded({ isPresent: listener.isConnected(fromBase64Url(asked.present)) }));
}

function release(
  listener: NeighbourListener,
  data: Uint8Array,
  reply: (data: Uint8Array) => void,
): void {
  const asked = decoded(releaseShape, data);
  if (asked === null) return;
  void listener
    .displaced(fromBase64Url(asked.aid), asked.connection)
    .then((spending) => reply(encoded(spending)));
}

function encoded(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

/** Null for whatever no hub says. */
function decoded<T>(shape: z.ZodType<T>, data: Uint8Array): T | null {
  try {
    return shape.safeParse(JSON.parse(new TextDecoder().decode(data))).data ?? null;
  } catch {
    return null;
  }
}
