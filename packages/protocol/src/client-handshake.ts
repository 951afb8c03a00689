/**
 * The client's side of one connection's beginning (protocol.md §2.15), and what of the hub's words
 * counts afterwards. Owns the three steps and the judgement over refusals: before the hub has
 * proved its key, or without its signature, nothing that it says is final.
 */
import type { RandomSource } from '@agentmesh/crypto/verify';
import { acceptHello, createAuth, createBegin, unproven, wasSaidByHub } from './authentication.js';
import type { ChannelBinding, HubVoice, ProvedHub, Spoken } from './authentication.js';
import type { BeginFrame } from './client-frames.js';
import { isErrorCode, isFinal, ProtocolError } from './errors.js';
import type { Checked } from './errors.js';
import { errorOfFrame } from './frame-codec.js';
import type { AuthOkFrame, ByeFrame, ErrorFrame, HelloFrame } from './hub-frames.js';
import type { HubCredentials, HubSession } from './hub.js';

/** What a handshake needs. */
export interface ClientHandshakeOptions {
  readonly credentials: HubCredentials;
  readonly channelBinding: ChannelBinding;
  readonly random: RandomSource;
}

/** How `hello` began when the hub still spoke first. */
const OLD_HELLO = /^\{"type":"hello","versions":/;

/** One per connection. */
export class ClientHandshake {
  readonly #options: ClientHandshakeOptions;
  readonly #begin: Spoken<BeginFrame>;
  #hub: ProvedHub | null = null;
  #voice: HubVoice | null = null;

  constructor(options: ClientHandshakeOptions) {
    this.#options = options;
    this.#begin = createBegin(options.random(32));
  }

  /** Text of the first frame. */
  get begin(): string {
    return this.#begin.text;
  }

  /** The hub, once it has proved its key. */
  get hub(): ProvedHub | null {
    return this.#hub;
  }

  /** `hello` has come: the text of `auth`, or why the hub does not get one. */
  answer(hello: Spoken<HelloFrame>, id: number): Checked<string> {
    if (this.#hub !== null) return { ok: false, error: unproven('it greeted twice') };
    const { credentials, channelBinding } = this.#options;
    const pinnedHubKey = credentials.hubKey ?? null;
    const hub = acceptHello({ begin: this.#begin, hello, channelBinding, pinnedHubKey });
    if (!hub.ok) return hub;
    this.#hub = hub.value;
    try {
      const auth = createAuth({ id, hub: hub.value, credentials, channelBinding });
      this.#voice = auth.voice;
      return { ok: true, value: auth.text };
    } catch (cause) {
      return { ok: false, error: new ProtocolError('BAD_AUTH', { detail: 'credentials', cause }) };
    }
  }

  /** `auth_ok` has come. */
  accept(reply: Spoken<AuthOkFrame>): Checked<HubSession> {
    if (this.#hub === null || this.#voice === null || !wasSaidByHub(this.#voice, reply)) {
      return { ok: false, error: unproven('its answer to auth is not signed by it') };
    }
    const { hubKey, hubId, features, limits, timeMs } = this.#hub;
    const { lastInstance, lastBoot, keyDigest, oneTimePrekeys, queued } = reply.frame;
    const { store, timelines } = reply.frame;
    const history = store === undefined || timelines === undefined ? null : { store, timelines };
    const answers = { lastInstance, lastBoot, keyDigest, oneTimePrekeys, queued, history };
    return { ok: true, value: { hubKey, hubId, features, limits, timeMs, ...answers } };
  }

  /** What an `error` or `bye` means: as the hub said it, if the hub said it. */
  refusal(said: Spoken<ErrorFrame | ByeFrame>): ProtocolError {
    const error = errorOfFrame(said.frame);
    if (error.retryable && this.#hub !== null) return error;
    if (this.#voice !== null && wasSaidByHub(this.#voice, said)) return error;
    const { code } = said.frame;
    // Of a stranger's words only the code is told on, and only if it is one.
    if (error.retryable || (this.#hub === null && !isFinal(error))) {
      return new ProtocolError(error.code);
    }
    return unproven(isErrorCode(code) ? `it said ${code}, unsigned` : 'it refused, unsigned');
  }

  /** Text came that is no frame. */
  unreadable(text: string, cause: ProtocolError): ProtocolError {
    if (this.#hub !== null) {
      return new ProtocolError('CONNECTION_LOST', { detail: 'unreadable frame', cause });
    }
    if (OLD_HELLO.test(text)) {
      return new ProtocolError('VERSION', {
        message: 'The hub speaks an older protocol, in which it greets first: upgrade the hub',
      });
    }
    return unproven('it does not speak as a hub', cause);
  }
}
