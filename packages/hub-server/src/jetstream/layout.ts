/**
 * Where everything lies in NATS: streams and subjects (docs/decisions/0007-jetstream-layout.md).
 * Owns names and settings of the streams; what the messages say is owned by those who write them.
 */
import { toBase64Url } from '@agentmesh/protocol';
import type { StreamConfig } from '@nats-io/jetstream';
import { NOTE_LENGTH } from './envelope-note.js';

/** Version of this layout; a hub refuses to touch a newer one. */
export const LAYOUT_VERSION = 1;

/** The header in which we keep what lies beside a message's data. */
export const NOTE_HEADER = 'Am-Note';

const ID_LENGTH = 22;

/** One for each try at an append; all of one length. */
const TRIES = '.-_~';

/** How often an append may be tried under new ids. */
export const MESSAGE_IDS = TRIES.length;

/**
 * By which NATS itself knows an append again. Another `tried`, below {@link MESSAGE_IDS}, makes an
 * append that NATS has not seen.
 */
export function messageIdOf(idKey: string, tried = 0): string {
  return `${idKey}${TRIES.charAt(tried)}`;
}

/** Settings of one stream, as far as they differ from stream to stream. */
export interface StreamPlan {
  readonly name: string;
  readonly subject: string;
  /** Messages kept per subject: 1 makes each subject a document. */
  readonly perSubject: number;
  /** Where NATS passes on what it has just stored. */
  readonly republish?: { readonly src: string; readonly dest: string };
}

/** By which NATS knows a message again. */
const WINDOW_NANOS = 120_000_000_000;

/** A stream as it is made. */
export function streamSettings(
  { name, subject, perSubject, republish }: StreamPlan,
  replicas: number,
): Partial<StreamConfig> & { name: string } {
  return {
    name,
    subjects: [subject],
    num_replicas: replicas,
    max_msgs_per_subject: perSubject,
    retention: 'limits',
    storage: 'file',
    discard: 'new',
    duplicate_window: WINDOW_NANOS,
    deny_purge: true,
    ...(republish === undefined ? {} : { republish }),
  };
}

/** Names under one prefix; two stores in one account take two prefixes. */
export class Layout {
  readonly #prefix: string;
  readonly shards: number;
  /** Documents about the store itself. */
  readonly meta: string;
  readonly names: string;
  readonly agents: string;
  readonly prekeys: string;
  readonly notices: string;

  constructor(prefix: string, shards: number) {
    this.#prefix = prefix;
    this.shards = shards;
    this.meta = this.#stream('META');
    this.names = this.#stream('NAMES');
    this.agents = this.#stream('AGENTS');
    this.prekeys = this.#stream('PREKEYS');
    this.notices = this.#stream('NOTICES');
  }

  /** The stream that must be there before `shards` is known. */
  get metaPlan(): StreamPlan {
    return { name: this.meta, subject: this.#subject('m.*'), perSubject: 1 };
  }

  get plans(): readonly StreamPlan[] {
    const shards = Array.from({ length: this.shards }, (_, shard) => shard);
    return [
      { name: this.names, subject: this.#subject('n.*'), perSubject: 1 },
      { name: this.agents, subject: this.#subject('a.*.*'), perSubject: 1 },
      { name: this.prekeys, subject: this.#subject('p.*'), perSubject: -1 },
      { name: this.notices, subject: this.#subject('t.*'), perSubject: -1 },
      ...shards.map((shard) => ({
        name: this.queueStream(shard),
        subject: this.#subject(`q.${shard}.*`),
        perSubject: -1,
        republish: { src: this.#subject(`q.${shard}.>`), dest: this.#subject(`s.${shard}.>`) },
      })),
    ];
  }

  queueStream(shard: number): string {
    return this.#stream(`QUEUE_${shard}`);
  }

  /** Addresses are hashes: any two bytes of them spread evenly. */
  shardOf(bytes: Uint8Array): number {
    return (((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)) % this.shards;
  }

  metaSubject(entry: 'layout' | 'key' | 'sweeper' | 'dead' | 'timeline'): string {
    return this.#subject(`m.${entry}`);
  }

  /** Names hold characters that mean something in subjects, so they are encoded. */
  nameSubject(name: string): string {
    return this.#subject(`n.${toBase64Url(new TextEncoder().encode(name))}`);
  }

  /** Documents about one agent: itself, its keys, its attempts. */
  agentSubject(kind: 'agent' | 'keys' | 'attempts', aid: Uint8Array): string {
    return this.#subject(`a.${kind}.${toBase64Url(aid)}`);
  }

  prekeySubject(aid: Uint8Array): string {
    return this.#subject(`p.${toBase64Url(aid)}`);
  }

  get allKeys(): string {
    return this.#subject('a.keys.*');
  }

  noticeSubject(sender: Uint8Array): string {
    return this.#subject(`t.${toBase64Url(sender)}`);
  }

  /** What hubs tell each other; no stream keeps it. */
  get newsSubject(): string {
    return this.#subject('h.news');
  }

  /** What one hub is asked by another. */
  hubSubject(owner: string): string {
    return this.#subject(`h.ask.${owner}`);
  }

  get allNames(): string {
    return this.#subject('n.*');
  }

  get allNotices(): string {
    return this.#subject('t.*');
  }

  queueSubject(recipient: Uint8Array): string {
    return this.#subject(`q.${this.shardOf(recipient)}.${toBase64Url(recipient)}`);
  }

  /** Where NATS passes on what it stores for this recipient. */
  storedSubject(recipient: Uint8Array): string {
    return this.#subject(`s.${this.shardOf(recipient)}.${toBase64Url(recipient)}`);
  }

  queueSubjects(shard: number): string {
    return this.#subject(`q.${shard}.*`);
  }

  /**
   * What NATS counts in a queue for one envelope besides its blob: all of it has a fixed length.
   * Read from its file store (frame 34, then subject and headers); only a metric depends on it.
   */
  overheadOf(shard: number): number {
    const aid = toBase64Url(new Uint8Array(32));
    const subject = this.#subject(`q.${shard}.${aid}`);
    const fields = [`Nats-Msg-Id: ${messageIdOf('')}`, `${NOTE_HEADER}: `];
    const lines = ['NATS/1.0', ...fields, '', ''].join('\r\n');
    return 34 + subject.length + lines.length + ID_LENGTH + NOTE_LENGTH;
  }

  #stream(name: string): string {
    return `${this.#prefix.toUpperCase()}_${name}`;
  }

  #subject(rest: string): string {
    return `${this.#prefix}.${rest}`;
  }
}
