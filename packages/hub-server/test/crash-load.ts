/**
 * Agents that send to each other whatever happens to their hub, and know in the end what should
 * have arrived. Owns the oracle of the crash tests: accepted is delivered or reported, and nothing
 * enters an inbox twice.
 */
import { seededRandom, TestAgent } from '@agentmesh/hub-compliance';
import { systemHost } from '@agentmesh/hub-local';
import { hubIdOf, toHex } from '@agentmesh/protocol';
import type { Delivery, HubConnection, OutgoingEnvelope, RandomSource } from '@agentmesh/protocol';
import { connect } from './served-hub.js';

const WINDOW = 20;
const POLL_MS = 5;
const TRY_LATER = new Set([
  'CONNECTION_LOST',
  'RATE_LIMITED',
  'SHUTTING_DOWN',
  'TIMEOUT',
  'QUEUE_FULL',
]);

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** What the load sends. */
export interface LoadOptions {
  readonly agents: number;
  readonly seed: number;
  readonly blobBytes: number;
  readonly ttlSeconds: number;
  /** Envelopes with a short life: they are for an agent that is never there. */
  readonly absentee?: boolean;
  readonly prekeys?: number;
  /** Deliveries that an agent keeps before it acknowledges the oldest of them. */
  readonly acksBehind?: number;
}

interface Member {
  readonly agent: TestAgent;
  readonly inbox: Map<string, number>;
  readonly seqs: Set<number>;
  /** What it has not acknowledged yet. */
  readonly unacknowledged: number[];
  connection: HubConnection | null;
  online: boolean;
}

/** All agents of one test. */
export class CrashLoad {
  readonly violations: string[] = [];
  /** Ids that the hub answered `sent`, and for whom. */
  readonly accepted = new Map<string, Member | null>();
  readonly noticed = new Set<string>();
  readonly handedOut: string[] = [];
  redeliveries = 0;
  readonly #options: LoadOptions;
  readonly #random: RandomSource;
  readonly #members: Member[];
  readonly #absentee: TestAgent;
  /** Sent and not answered, to be sent again with the same id. */
  readonly #open = new Map<string, { from: Member; to: Member | null; out: OutgoingEnvelope }>();
  #port = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const names = Array.from({ length: options.agents }, (_, n) => `agent-${n}`);
    this.#members = names.map((name) => ({
      agent: new TestAgent(name, this.#random),
      inbox: new Map(),
      seqs: new Set(),
      unacknowledged: [],
      connection: null,
      online: false,
    }));
    this.#absentee = new TestAgent('absentee', this.#random);
  }

  /** Ids still without an answer. */
  get unanswered(): number {
    return this.#open.size;
  }

  /** Everybody connects to a hub that was started anew. */
  async join(port: number): Promise<void> {
    this.#port = port;
    if (this.#options.absentee === true) await this.#register(this.#absentee);
    await Promise.all(this.#members.map((member) => this.#connect(member)));
    this.#resend();
  }

  /** Sends for a while, or until the hub is gone. */
  async run(ms: number): Promise<void> {
    const endMs = systemHost.clock() + ms;
    while (systemHost.clock() < endMs && this.#members.some((member) => member.online)) {
      for (const member of this.#members) this.#fill(member);
      await pause(POLL_MS);
    }
  }

  /** Publishes prekeys of the first agent and lets the others fetch them. */
  async publish(count: number): Promise<void> {
    const [first] = this.#members;
    const connection = first?.connection;
    if (first === undefined || connection === null || connection === undefined) return;
    const nowMs = systemHost.clock();
    const hubId = hubIdOf(connection.session.hubKey);
    await connection.putIdentity(first.agent.record({ hubId, nowMs }));
    const oneTime = first.agent.oneTimePrekeys(count, nowMs);
    await connection.putPrekeys({ signed: [first.agent.signedPrekey(1, nowMs)], oneTime });
  }

  async fetchBundles(): Promise<void> {
    const fetchers = this.#members.slice(1).filter((member) => member.online);
    const peer = this.#members[0]?.agent.name ?? '';
    await Promise.all(
      fetchers.map(async ({ connection }) => {
        try {
          const bundle = await connection?.getBundle(peer, { oneTime: true });
          if (bundle?.oneTime !== undefined)
            this.handedOut.push(toHex(bundle.oneTime.slice(0, 60)));
        } catch {
          // The hub died: whether a prekey was handed out is unknown, which is allowed.
        }
      }),
    );
  }

  /** Sends again what has no answer, and waits until all that was accepted is accounted for. */
  async settle(timeoutMs = 15_000): Promise<void> {
    const endMs = systemHost.clock() + timeoutMs;
    while (systemHost.clock() < endMs) {
      this.#resend();
      await pause(50);
      if (this.#open.size === 0 && this.missing().length === 0) break;
    }
    await Promise.all(
      this.#members.map(async ({ connection }) => {
        await connection?.close();
      }),
    );
  }

  /** Accepted, and neither delivered nor reported as expired. */
  missing(): string[] {
    return [...this.accepted].flatMap(([id, to]) =>
      this.noticed.has(id) || to?.inbox.has(id) === true ? [] : [id],
    );
  }

  /** With the same ids: the hub says which of them it has already. */
  #resend(): void {
    for (const { from, to, out } of this.#open.values()) this.#transmit(from, to, out);
  }

  async #register(agent: TestAgent): Promise<void> {
    const events = { authenticated() {}, deliver() {}, notice() {}, down() {}, closed() {} };
    const where = { kind: 'tcp', port: this.#port, host: systemHost } as const;
    await (await connect(where, agent.credentials(), events)).close();
  }

  async #connect(member: Member): Promise<void> {
    const where = { kind: 'tcp', port: this.#port, host: systemHost } as const;
    member.agent.boot += 1;
    member.connection = await connect(where, member.agent.credentials(), {
      authenticated() {},
      down() {},
      deliver: (delivery) => this.#deliver(member, delivery),
      notice: ({ id }) => this.noticed.add(toHex(id)),
      closed: () => {
        member.online = false;
      },
    });
    member.online = true;
  }

  /** What an agent's inbox does: each id once; the same id always has the same place. */
  #deliver(member: Member, { seq, attempt, envelope }: Delivery): void {
    const id = toHex(envelope.id);
    const known = member.inbox.get(id);
    if (known !== undefined) {
      this.redeliveries += 1;
      if (known !== seq) this.violations.push(`${id} stored twice: seq ${known} and ${seq}`);
    } else if (member.seqs.has(seq)) {
      this.violations.push(`seq ${seq} used twice`);
    }
    member.seqs.add(seq);
    if (envelope.blob.length !== this.#options.blobBytes) this.violations.push(`${id} torn`);
    if (attempt < 1) this.violations.push(`${id} attempt ${attempt}`);
    member.inbox.set(id, seq);
    member.unacknowledged.push(seq);
    const keeps = this.#options.acksBehind ?? 0;
    const due = member.unacknowledged.splice(0, member.unacknowledged.length - keeps);
    if (due.length > 0) member.connection?.ack(due);
    member.connection?.credit({ messages: 1, bytes: envelope.blob.length });
  }

  #fill(from: Member): void {
    if (!from.online) return;
    let inFlight = 0;
    for (const open of this.#open.values()) if (open.from === from) inFlight += 1;
    for (; inFlight < WINDOW; inFlight++) {
      const others = this.#members.filter((member) => member !== from);
      const to =
        this.#options.absentee === true ? null : others[this.#random(1)[0]! % others.length]!;
      const out = {
        id: this.#random(16),
        to: (to?.agent ?? this.#absentee).aid,
        ttlSeconds: this.#options.ttlSeconds,
        blob: new Uint8Array(this.#options.blobBytes),
      };
      out.blob.set(out.id);
      this.#open.set(toHex(out.id), { from, to, out });
      this.#transmit(from, to, out);
    }
  }

  #transmit(from: Member, to: Member | null, out: OutgoingEnvelope): void {
    const id = toHex(out.id);
    if (!from.online) return;
    void this.#send(id, from, out).then((isAccepted) => {
      if (isAccepted) this.accepted.set(id, to);
      return isAccepted && this.#open.delete(id);
    });
  }

  async #send(id: string, from: Member, out: OutgoingEnvelope): Promise<boolean> {
    try {
      await from.connection?.send(out);
      return true;
    } catch (error) {
      const { code } = error as { code: string };
      if (!TRY_LATER.has(code)) this.violations.push(`${id} refused ${code}`);
      return false;
    }
  }
}
