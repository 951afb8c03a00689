/**
 * Names and identity records in NATS (`HubDirectoryStore`). The document of a name is the only
 * truth about who holds it and who held it before; an agent's own document that no name confirms
 * counts as absent, so that a crash between the two writes leaves nothing half done.
 * Owns these two documents; prekeys are `prekeys`, listing is `name-index`.
 */
import { equalBytes, fromBase64Url, toBase64Url } from '@agentmesh/protocol';
import type {
  AgentStanding,
  ClaimResult,
  IdentityUpdate,
  Leaving,
  NameClaim,
  PutIdentityResult,
  RevocationUpdate,
  StoredBundle,
  StoreOpening,
} from '@agentmesh/hub-local';
import type { StoredAgent } from '../control/store-operations.js';
import { agentShape, isGone, isStale, nameShape } from './directory-documents.js';
import type { AgentDocument, KnownAgent, NameDocument } from './directory-documents.js';
import type { DocumentKind, Documents } from './documents.js';
import { JetStreamStoreError } from './jetstream-error.js';
import type { Layout } from './layout.js';

/** What came of a claim, and at which hub the last connection was; null for none. */
export interface Claimed {
  readonly result: ClaimResult;
  readonly cameFrom: string | null;
}

/** What the directory is made of. */
export interface DirectoryParts {
  readonly documents: Documents;
  readonly layout: Layout;
  /** Names this hub among all. */
  readonly owner: string;
  readonly monotonic: () => number;
  /** Whether an agent is connected at another hub; false where that hub is gone. */
  readonly isConnectedAt: (hub: string, aid: Uint8Array) => Promise<boolean>;
}

/** Why an envelope's recipient takes none. */
export type RecipientRefusal = 'revoked' | 'unknown_recipient';

/** What is believed of a recipient until it is looked up again. */
interface Belief {
  readonly retiredAtMs: number | null;
  readonly revoked: boolean;
  readonly untilMs: number;
}

/** How long a positive answer about a recipient is believed; retirement is a matter of days. */
const BELIEF_MS = 5_000;
const BELIEFS = 50_000;
const ATTEMPTS = 100;

/** See `HubDirectoryStore` for what each method promises. */
export class Directory {
  readonly #documents: Documents;
  readonly #layout: Layout;
  readonly #owner: string;
  readonly #monotonic: () => number;
  readonly #isConnectedAt: DirectoryParts['isConnectedAt'];
  readonly #names: DocumentKind<NameDocument>;
  readonly #agents: DocumentKind<AgentDocument>;
  readonly #beliefs = new Map<string, Belief>();

  constructor({ documents, layout, owner, monotonic, isConnectedAt }: DirectoryParts) {
    this.#isConnectedAt = isConnectedAt;
    this.#documents = documents;
    this.#layout = layout;
    this.#owner = owner;
    this.#monotonic = monotonic;
    this.#names = { stream: layout.names, shape: nameShape };
    this.#agents = { stream: layout.agents, shape: agentShape };
  }

  /** Why no envelopes for this aid are taken: revoked, unknown, or retired for too long. */
  async refusalOf(
    aid: Uint8Array,
    nowMs: number,
    retiredMs: number,
  ): Promise<RecipientRefusal | null> {
    const belief = this.#believed(aid) ?? (await this.#look(aid));
    if (belief === null) return 'unknown_recipient';
    if (belief.revoked) return 'revoked';
    return isGone(belief.retiredAtMs, nowMs, retiredMs) ? 'unknown_recipient' : null;
  }

  /** One try after the other: each that fails was overtaken by another claim. */
  async claim(claim: NameClaim): Promise<Claimed> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const known = await this.#known(claim.aid);
      const claimed = await (known === null
        ? this.#register(claim)
        : this.#return(claim, known, this.#layout.agentSubject('agent', claim.aid)));
      if (claimed !== null) return claimed;
    }
    throw new JetStreamStoreError('STORE_CONTENDED', { detail: claim.name });
  }

  /** Which connection of an agent may live. */
  async standing(aid: Uint8Array): Promise<AgentStanding> {
    const subject = this.#layout.agentSubject('agent', aid);
    const agent = (await this.#documents.get(this.#agents, subject))?.value ?? null;
    const newestConnection = agent?.opening?.connection ?? 0;
    return { newestConnection, revoked: agent !== null && agent.revocation !== null };
  }

  /** What is known of an identity that holds, or held, a name. */
  async agent(aid: Uint8Array): Promise<StoredAgent | null> {
    const known = await this.#known(aid);
    if (known === null) return null;
    const { document, retiredAtMs: retiredMs } = known;
    return { name: document.name, retiredMs, revoked: document.revocation !== null, seenMs: null };
  }

  async aidOfName(name: string): Promise<Uint8Array | null> {
    const stored = await this.#documents.get(this.#names, this.#layout.nameSubject(name));
    return stored === null ? null : fromBase64Url(stored.value.aid);
  }

  /** What an agent has published, and whether it still begins sessions; null for nothing. */
  async published(
    aid: Uint8Array,
  ): Promise<Pick<StoredBundle, 'record' | 'revocation' | 'retired'> | null> {
    const known = await this.#known(aid);
    const record = known?.document.record ?? null;
    if (known === null || record === null) return null;
    const { revocation } = known.document;
    return {
      record: fromBase64Url(record.bytes),
      revocation: revocation === null ? null : fromBase64Url(revocation),
      retired: known.retiredAtMs !== null,
    };
  }

  /** What keeps an agent from publishing prekeys: no name confirms it, or it is void. */
  async prekeyRefusal(aid: Uint8Array): Promise<'conflict' | 'revoked' | null> {
    const known = await this.#known(aid);
    if (known === null) return 'conflict';
    return known.document.revocation === null ? null : 'revoked';
  }

  async putIdentity(update: IdentityUpdate): Promise<PutIdentityResult> {
    const { owner, subject, name } = update;
    this.#beliefs.delete(toBase64Url(owner));
    this.#beliefs.delete(toBase64Url(subject));
    const known = await this.#known(owner);
    if (known === null || known.document.name !== name) return 'not_owner';
    if (known.document.revocation !== null) return 'revoked';
    const own = equalBytes(owner, subject);
    if (known.retiredAtMs === null)
      return own ? this.#replaceRecord(update) : this.#succeed(update);
    return !own && (await this.#hasSucceeded(update)) ? 'stored' : 'not_owner';
  }

  async putRevocation({ aid, revocation }: RevocationUpdate): Promise<'stored' | 'unknown'> {
    if ((await this.#known(aid)) === null) return 'unknown';
    const subject = this.#layout.agentSubject('agent', aid);
    const result = await this.#documents.update<AgentDocument, 'stored' | 'unknown'>(
      this.#agents,
      subject,
      (agent) => {
        if (agent === null) return { value: null, result: 'unknown' };
        if (agent.revocation !== null) return { value: null, result: 'stored' };
        return { value: { ...agent, revocation: toBase64Url(revocation) }, result: 'stored' };
      },
    );
    if (result === 'stored') this.#believe(aid, { retiredAtMs: null, revoked: true });
    return result;
  }

  /** Lists a name while its holder's record and prekeys are there and it is not void. */
  async relist(aid: Uint8Array, hasPrekeys: boolean): Promise<void> {
    const holder = toBase64Url(aid);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const known = await this.#known(aid);
      if (known === null || known.retiredAtMs !== null) return;
      const { record, revocation, name } = known.document;
      const isThere = revocation === null && known.name.leftMs === null;
      const listed = hasPrekeys && record !== null && isThere;
      // Read again after it was written: it may have been made void meanwhile.
      if (known.name.listed === listed) return;
      await this.#documents.update(this.#names, this.#layout.nameSubject(name), (held) => ({
        value: held?.aid === holder ? { ...held, listed } : null,
        result: undefined,
      }));
    }
  }

  #replaceRecord({ owner, name, revision, record }: IdentityUpdate): Promise<PutIdentityResult> {
    const next = { revision, bytes: toBase64Url(record) };
    const subject = this.#layout.agentSubject('agent', owner);
    return this.#documents.update(this.#agents, subject, (agent) => {
      if (agent === null || agent.name !== name) return { value: null, result: 'not_owner' };
      if (agent.revocation !== null) return { value: null, result: 'revoked' };
      if (agent.record !== null && isStale(agent.record, next)) {
        return { value: null, result: 'stale' };
      }
      return { value: { ...agent, record: next }, result: 'stored' };
    });
  }

  /** Whether this very succession has taken place: then it may be asked for again. */
  async #hasSucceeded({ subject, name, record }: IdentityUpdate): Promise<boolean> {
    const document = (await this.#known(subject))?.document;
    return document?.name === name && document.record?.bytes === toBase64Url(record);
  }

  /** First the successor's own document, which nothing confirms yet; then, at once, the name. */
  async #succeed(update: IdentityUpdate): Promise<'stored' | 'not_owner'> {
    const { owner, subject, name, revision, record, nowMs } = update;
    if ((await this.#known(subject)) !== null) return 'not_owner';
    const published = { revision, bytes: toBase64Url(record) };
    const own = { name, opening: null, record: published, revocation: null };
    await this.#documents.update(this.#agents, this.#layout.agentSubject('agent', subject), () => ({
      value: own,
      result: null,
    }));
    const before = toBase64Url(owner);
    const after = toBase64Url(subject);
    return this.#documents.update(this.#names, this.#layout.nameSubject(name), (held) => {
      if (held?.aid === after) return { value: null, result: 'stored' };
      if (held?.aid !== before) return { value: null, result: 'not_owner' };
      const past = [...held.past, { aid: before, untilMs: nowMs }];
      return { value: { ...held, aid: after, listed: false, past }, result: 'stored' };
    });
  }

  /** Null: overtaken. */
  async #register(claim: NameClaim): Promise<Claimed | null> {
    const nameSubject = this.#layout.nameSubject(claim.name);
    const holder = await this.#documents.get(this.#names, nameSubject);
    // Another connection of the same identity may have bound it since it was looked for.
    if (holder?.value.aid === toBase64Url(claim.aid)) return null;
    if (holder !== null && !(await this.#hasLeft(holder.value))) return refused('name_taken');
    if (!claim.mayRegister) return refused('not_registered');
    const subject = this.#layout.agentSubject('agent', claim.aid);
    const left = await this.#documents.get(this.#agents, subject);
    const opening = this.#openingAfter(left?.value.opening ?? null, claim.opening);
    const own = { name: claim.name, opening, record: null, revocation: null };
    const revision = await this.#documents.put(subject, own, left?.revision ?? 0);
    if (revision === null) return null;
    const transient = claim.isTransient === true && claim.opening !== null;
    const held = { listed: false, transient, leftMs: null, past: [] };
    const name: NameDocument = { aid: toBase64Url(claim.aid), ...held };
    const bound = await this.#documents.put(nameSubject, name, holder?.revision ?? 0);
    if (bound === null) return null;
    // Two claims of one identity for two names meet at its own document: the last one stands.
    const settled = await this.#documents.get(this.#agents, subject);
    if (settled?.value.name !== claim.name) {
      await this.#documents.drop(this.#names, bound);
      return refused('other_name');
    }
    const forgotten = holder === null ? null : fromBase64Url(holder.value.aid);
    if (forgotten !== null) await this.#drop(forgotten);
    const connection = opening?.connection ?? 0;
    const result = { status: 'ok', registered: true, retired: false, lastOpening: null } as const;
    const answer = { connection, isTransient: transient, forgotten, spent: null };
    return { result: { ...result, ...answer }, cameFrom: null };
  }

  /** Null: overtaken. */
  async #return(claim: NameClaim, known: KnownAgent, subject: string): Promise<Claimed | null> {
    const { document, retiredAtMs, revision } = known;
    if (document.revocation !== null) return refused('revoked');
    if (document.name !== claim.name) return refused('other_name');
    if (isGone(retiredAtMs, claim.nowMs, claim.retiredMs)) return refused('name_taken');
    const { opening } = document;
    const next = this.#openingAfter(opening, claim.opening);
    if (claim.opening !== null) {
      const changed = { ...document, opening: next };
      if ((await this.#documents.put(subject, changed, revision)) === null) return null;
      await this.#stay(known.document.name, claim);
    }
    const lastOpening =
      opening === null ? null : { instance: fromBase64Url(opening.instance), boot: opening.boot };
    const retired = retiredAtMs !== null;
    const connection = next?.connection ?? 0;
    const isTransient = known.name.transient && claim.isTransient === true;
    const result = { status: 'ok', registered: false, retired, lastOpening } as const;
    const answer = { connection, isTransient, forgotten: null, spent: null };
    return { result: { ...result, ...answer }, cameFrom: opening?.hub ?? null };
  }

  /** A connection begins: its agent is there, and is transient only if it always was. */
  async #stay(name: string, { aid, isTransient = false }: NameClaim): Promise<void> {
    const holder = toBase64Url(aid);
    await this.#documents.update(this.#names, this.#layout.nameSubject(name), (held) => {
      const isSame = held?.leftMs === null && (isTransient || !held.transient);
      if (held?.aid !== holder || isSame) return { value: null, result: undefined };
      const transient = held.transient && isTransient;
      return { value: { ...held, transient, leftMs: null }, result: undefined };
    });
  }

  /** Also the successor that a leaving agent has named, and that has not come. */
  async leave({ aid, connection, nowMs }: Leaving): Promise<void> {
    const known = await this.#known(aid);
    if (known === null || known.document.opening?.connection !== connection) return;
    const holder = known.retiredAtMs === null ? known : await this.#knownAs(known.name.aid);
    if (holder === null || (holder !== known && holder.document.opening !== null)) return;
    const subject = this.#layout.nameSubject(known.document.name);
    await this.#documents.update(this.#names, subject, (held) => {
      const stays = held?.aid !== known.name.aid || !held.transient || held.leftMs !== null;
      if (stays) return { value: null, result: undefined };
      return { value: { ...held, listed: false, leftMs: nowMs }, result: undefined };
    });
  }

  /** Forgets the holder of a name that left before this time; its aid, or null. */
  async forgetLeft(name: string, beforeMs: number): Promise<Uint8Array | null> {
    const stored = await this.#documents.get(this.#names, this.#layout.nameSubject(name));
    if (stored === null) return null;
    const { aid, transient, leftMs } = stored.value;
    if (!transient || leftMs === null || leftMs > beforeMs) return null;
    if ((await this.#knownAs(aid))?.document.revocation !== null) return null;
    if (!(await this.#documents.drop(this.#names, stored.revision))) return null;
    await this.#drop(fromBase64Url(aid));
    return fromBase64Url(aid);
  }

  /** Whether another identity may have a name. */
  async #hasLeft({ aid, transient, leftMs }: NameDocument): Promise<boolean> {
    if (!transient) return false;
    const known = await this.#knownAs(aid);
    if (known === null || known.document.revocation !== null) return false;
    if (leftMs !== null) return true;
    const { opening } = known.document;
    // Its hub may have died before it could say that it has left.
    if (opening === null || opening.hub === this.#owner) return false;
    return !(await this.#isConnectedAt(opening.hub, fromBase64Url(aid)));
  }

  #knownAs(aid: string): Promise<KnownAgent | null> {
    return this.#known(fromBase64Url(aid));
  }

  /** The document of an identity that no name confirms any more. */
  async #drop(aid: Uint8Array): Promise<void> {
    this.#beliefs.delete(toBase64Url(aid));
    const subject = this.#layout.agentSubject('agent', aid);
    const stored = await this.#documents.get(this.#agents, subject);
    if (stored !== null) await this.#documents.drop(this.#agents, stored.revision);
  }

  #openingAfter(
    last: AgentDocument['opening'],
    opening: StoreOpening | null,
  ): AgentDocument['opening'] {
    if (opening === null) return last;
    const { instance, boot } = opening;
    const connection = (last?.connection ?? 0) + 1;
    return { instance: toBase64Url(instance), boot, connection, hub: this.#owner };
  }

  #believed(aid: Uint8Array): Belief | null {
    const belief = this.#beliefs.get(toBase64Url(aid));
    const isFresh = belief !== undefined && belief.untilMs > this.#monotonic();
    return isFresh ? belief : null;
  }

  /** What is revoked stays so, whatever was on its way when it was. */
  #believe(aid: Uint8Array, { retiredAtMs, revoked }: Omit<Belief, 'untilMs'>): Belief {
    const isVoid = revoked || this.#believed(aid)?.revoked === true;
    const belief = { retiredAtMs, revoked: isVoid, untilMs: this.#monotonic() + BELIEF_MS };
    if (this.#beliefs.size >= BELIEFS) this.#beliefs.clear();
    this.#beliefs.set(toBase64Url(aid), belief);
    return belief;
  }

  async #look(aid: Uint8Array): Promise<Belief | null> {
    const known = await this.#known(aid);
    if (known === null) return null;
    const { retiredAtMs, document } = known;
    return this.#believe(aid, { retiredAtMs, revoked: document.revocation !== null });
  }

  async #known(aid: Uint8Array): Promise<KnownAgent | null> {
    const subject = this.#layout.agentSubject('agent', aid);
    const stored = await this.#documents.get(this.#agents, subject);
    if (stored === null) return null;
    const { value: document, revision } = stored;
    const name = await this.#documents.get(this.#names, this.#layout.nameSubject(document.name));
    const key = toBase64Url(aid);
    if (name === null) return null;
    const known = { document, revision, name: name.value };
    if (name.value.aid === key) return { ...known, retiredAtMs: null };
    const past = name.value.past.find((former) => former.aid === key);
    return past === undefined ? null : { ...known, retiredAtMs: past.untilMs };
  }
}

function refused(status: Exclude<ClaimResult['status'], 'ok'>): Claimed {
  return { result: { status }, cameFrom: null };
}
