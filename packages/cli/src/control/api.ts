/**
 * What the holder of an agent does for other processes: every method of the control socket with its
 * parameters and its result. Owns these types only; their checks are `schemas`', their work is
 * `methods`'. Times are milliseconds, dates milliseconds since the epoch.
 */

/** Any JSON value. */
export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
/** A JSON object. */
export type JsonMembers = { readonly [key: string]: Json };

/** Version of the methods below. Holder and client must have the same. */
export const CONTROL_PROTOCOL = 1;

/** What the holder says first. */
export interface Greeting {
  readonly protocol: number;
  readonly version: string;
  readonly pid: number;
  /** Name of the agent. */
  readonly name: string;
}

/** Who the agent is. */
export interface WhoAmI {
  readonly name: string;
  readonly address: string;
  readonly fingerprint: string;
  readonly connection: 'online' | 'offline' | 'ended' | 'none';
  /** Addresses of its hub. */
  readonly hubs: readonly string[];
}

/** How the agent is doing, and who holds it. */
export interface ControlStatus extends WhoAmI {
  readonly peers: number;
  readonly sessions: number;
  /** Messages that the hub does not have yet; messages that nobody has handled. */
  readonly outbox: number;
  readonly inbox: number;
  /** Strangers that wait for a decision; peers whose identity has changed. */
  readonly pendingContacts: number;
  readonly contested: readonly string[];
  readonly openCalls: number;
  readonly deadLetters: number;
  /** How far the hub's clock is ahead of ours. */
  readonly hubAheadMs: number;
  /** One-time prekeys on the hub when it was last reached. */
  readonly oneTimePrekeys: number | null;
  readonly holder: { readonly pid: number; readonly version: string; readonly sinceMs: number };
}

/** A peer as the agent knows it. */
export interface ControlPeer {
  readonly name: string;
  readonly address: string;
  readonly fingerprint: string;
  readonly trust: 'first-contact' | 'pinned' | 'verified';
  readonly contested: boolean;
  readonly session: 'none' | 'one-time' | 'no-one-time';
}

/** A peer, and whether it may reach the inbox. */
export interface ControlContact extends ControlPeer {
  readonly state: 'accepted' | 'pending' | 'denied' | 'blocked';
  /** Of one that waits: since when, how many messages, and the first of them, fenced. */
  readonly sinceMs: number | null;
  readonly messages: number;
  readonly preview: string | null;
}

/** One received message. */
export interface Mail {
  readonly id: string;
  /** Name, address and trust of its sender. */
  readonly from: string;
  readonly address: string;
  readonly fingerprint: string;
  readonly trust: 'first-contact' | 'pinned' | 'verified';
  readonly text: string;
  readonly payload: JsonMembers;
  readonly sentMs: number;
  readonly receivedMs: number | null;
  readonly replyTo: string | null;
  /** Of a request: its operation, and until when an answer is wanted, by the hub's clock. */
  readonly asks: { readonly op: string | null; readonly byMs: number } | null;
  /** The input, where it asks for an operation of a contract. */
  readonly value: Json;
  readonly redelivered: boolean;
  /** The text for a model: what is known of the sender, and the text between marks. */
  readonly prompt: string;
}

/** What a message carries: a text, an object, or both. */
export interface Content {
  readonly text?: string | undefined;
  readonly data?: JsonMembers | undefined;
}

/** What an operation of a contract takes or gives: any value, which arrives as it is. */
export interface ExactContent extends Content {
  readonly value?: Json | undefined;
}

/** What became of a message so far. `queued`: kept here, the hub does not have it yet. */
export interface SentMail {
  readonly id: string;
  readonly to: string;
  readonly state: 'queued' | 'accepted' | 'delivered' | 'handled';
}

/** An error as machines read it. */
export interface ErrorReport {
  readonly code: string;
  readonly retryable: boolean;
  readonly message: string;
  /** What to do, such as a command to run; null where the message says it. */
  readonly remedy: string | null;
}

/** A request to another agent. */
export interface CallState {
  readonly id: string;
  readonly peer: string;
  readonly state: 'open' | 'answered' | 'failed';
  readonly deadlineMs: number;
  /** The answer, once there is one: of an operation any value, else an object. */
  readonly answer: Json;
  /** Why it failed. */
  readonly error: ErrorReport | null;
  /** The answer, or the words in which it failed, fenced for a model; null while it is open. */
  readonly prompt: string | null;
}

/** One part of an answer that comes in many. */
export interface StreamPart {
  /** Its number, from 0: after a change of the holder some come again. */
  readonly at: number;
  readonly value: Json;
  /** Of bytes, which are no JSON. */
  readonly base64: string | null;
}

/** A message that every attempt failed on. */
export interface DeadMail {
  readonly id: string;
  readonly sender: string;
  readonly recipient: string;
  readonly address: string;
  readonly fingerprint: string;
  readonly trust: 'first-contact' | 'pinned' | 'verified';
  readonly type: string;
  readonly text: string;
  readonly payload: JsonMembers;
  /** When it was sent, by the sender's clock. */
  readonly timestamp: number;
  readonly replyTo: string | null;
  readonly attempts: number;
}

/** Messages that the hub does not have yet. */
export interface WaitingMail {
  readonly peer: string;
  readonly messages: number;
  /** When the oldest of them was sent; null if that is not known. */
  readonly sinceMs: number | null;
}

/** Who is the peer behind a name, for people to compare. */
export interface Verification {
  readonly name: string;
  readonly address: string;
  readonly fingerprint: string;
  readonly trust: 'first-contact' | 'pinned' | 'verified';
  /** Sixty digits that are the same on both sides. */
  readonly safetyNumber: string;
}

/** One message, named by its id; `from` where two senders have used the id. */
export interface OneMail {
  readonly id: string;
  readonly from?: string | undefined;
}

/** What is taken from the inbox. */
export interface InboxRequest {
  /** At most so many (default 10). */
  readonly max?: number | undefined;
  /** How long to wait for the first (default 0). */
  readonly waitMs?: number | undefined;
  /** How long they are nobody else's (default five minutes). 0: they are only looked at. */
  readonly leaseMs?: number | undefined;
  /** Only those of this sender, or of verified ones. */
  readonly from?: string | undefined;
}

/** What is asked of another agent. */
export interface AskRequest extends ExactContent {
  readonly to: string;
  /** Operation of a contract, as `research@1/summarize`; its input is `value`. */
  readonly op?: string | undefined;
  /** How long the answer is wanted (default five minutes; seven days for `call`). */
  readonly timeoutMs?: number | undefined;
  /** How long this method waits for the answer; then the call goes on. Default: all the time. */
  readonly waitMs?: number | undefined;
  /** Requests with one key are run once. */
  readonly key?: string | undefined;
  /** Told back in notifications about this request. */
  readonly tag?: string | undefined;
}

/** Nothing to say. */
export type Nothing = { readonly [key: string]: never };

/** Every method: what it takes, and what it gives. */
export interface ControlMethods {
  hello: {
    params: { readonly protocol: number; readonly version: string; readonly client: string };
    result: Greeting;
  };
  handover: { params: Nothing; result: { readonly given: boolean } };
  whoami: { params: Nothing; result: WhoAmI };
  status: { params: Nothing; result: ControlStatus };
  peers: { params: Nothing; result: { readonly peers: readonly ControlPeer[] } };
  names: { params: Nothing; result: { readonly names: readonly string[] } };
  send: {
    params: Content & {
      readonly to: string;
      /** What to wait for (default `accepted`: the hub has it), and how long (default 10 s). */
      readonly wait?: 'queued' | 'accepted' | 'delivered' | 'handled' | undefined;
      readonly waitMs?: number | undefined;
      /** How long the message is wanted (default seven days). */
      readonly ttlMs?: number | undefined;
      readonly tag?: string | undefined;
    };
    result: SentMail;
  };
  ask: { params: AskRequest; result: CallState };
  call: { params: AskRequest; result: CallState };
  stream: { params: Omit<AskRequest, 'waitMs'>; result: { readonly id: string } };
  read: {
    params: { readonly id: string; readonly waitMs?: number | undefined };
    result: { readonly parts: readonly StreamPart[]; readonly end: CallState | null };
  };
  call_status: {
    params: { readonly id: string; readonly waitMs?: number | undefined };
    result: CallState;
  };
  cancel: { params: { readonly id: string }; result: Nothing };
  calls: { params: Nothing; result: { readonly calls: readonly CallState[] } };
  inbox: { params: InboxRequest; result: { readonly messages: readonly Mail[] } };
  wait: {
    params: { readonly waitMs: number; readonly from?: string | undefined };
    result: { readonly waiting: number };
  };
  extend: {
    params: OneMail & { readonly leaseMs: number };
    result: Nothing;
  };
  release: { params: OneMail; result: Nothing };
  reply: {
    params: OneMail &
      ExactContent & {
        readonly keep?: boolean | undefined;
        /** How long the answer may take to be kept here (default 10 s). */
        readonly waitMs?: number | undefined;
      };
    result: { readonly id: string };
  };
  ack: { params: OneMail; result: Nothing };
  refuse: { params: OneMail & { readonly reason: string }; result: Nothing };
  fail: { params: OneMail & { readonly reason: string }; result: Nothing };
  contacts: { params: Nothing; result: { readonly contacts: readonly ControlContact[] } };
  accept: { params: { readonly peer: string }; result: Nothing };
  deny: {
    params: { readonly peer: string; readonly block?: boolean | undefined };
    result: Nothing;
  };
  verify: {
    params: { readonly peer: string; readonly fingerprint?: string | undefined };
    result: Verification;
  };
  invite: {
    params: {
      readonly uses?: number | undefined;
      readonly expiresMs?: number | undefined;
      readonly token?: string | undefined;
    };
    result: { readonly link: string };
  };
  join: { params: { readonly link: string }; result: ControlPeer };
  outbox: { params: Nothing; result: { readonly waiting: readonly WaitingMail[] } };
  listen: { params: Nothing; result: Nothing };
  rotate: {
    params: { readonly giveUpUnsent?: boolean | undefined };
    result: { readonly address: string; readonly fingerprint: string };
  };
  revocation: { params: Nothing; result: { readonly revocation: string } };
  revoke: { params: { readonly revocation: string }; result: Nothing };
  dead_letters: { params: Nothing; result: { readonly letters: readonly DeadMail[] } };
  retry: { params: { readonly id: string }; result: Nothing };
  drop: { params: { readonly id: string }; result: Nothing };
}

/** The name of a method. */
export type ControlMethod = keyof ControlMethods;
/** What a method takes. */
export type ParamsOf<M extends ControlMethod> = ControlMethods[M]['params'];
/** What a method gives. */
export type ResultOf<M extends ControlMethod> = ControlMethods[M]['result'];

/** What the holder tells between a request and its result, by the request's `tag`. */
export interface ControlNews {
  /** The message or request is kept here, under this id: it goes out whatever happens now. */
  stored: { readonly tag: string; readonly id: string };
  /** The callee says how far it is. */
  progress: { readonly tag: string; readonly value: Json };
}
