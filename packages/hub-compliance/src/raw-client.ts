/**
 * A client without manners: sends any text or frame and shows every frame that comes back. Owns the
 * waiting for frames; judges nothing.
 */
import {
  acceptHello,
  createAuth,
  createBegin,
  encodeFrame,
  FEATURES,
  NO_CHANNEL_BINDING,
  parseHubFrame,
  SUPPORTED_FEATURES,
  wasSaidByHub,
} from '@agentmesh/protocol';
import type {
  AuthFrame,
  ChannelTransport,
  ClientFrame,
  HelloFrame,
  HubCredentials,
  HubFrame,
  HubVoice,
  ProvedHub,
  RequestFrame,
  SignedFrame,
} from '@agentmesh/protocol';
import type { HubUnderTest } from './hub-under-test.js';
import { seededRandom } from './seeded-random.js';

type FrameOf<T extends HubFrame['type']> = Extract<HubFrame, { type: T }>;
type WithoutId<F> = F extends { id: number } ? Omit<F, 'id'> : never;

/** A frame that was expected and did not come, or a text that is no frame. */
export class UnexpectedEnd extends TypeError {
  override readonly name = 'UnexpectedEnd';
}

/** It is served as an older client is: each frame by itself. */
const WITHOUT_MANY = SUPPORTED_FEATURES.filter((feature) => feature !== FEATURES.many);

/** One connection. */
export class RawClient {
  /** Everything that came and was not taken yet. */
  readonly frames: HubFrame[] = [];
  readonly #arrivals = new Set<() => void>();
  readonly #hub: HubUnderTest;
  /** The text of each frame that came. */
  readonly #texts = new WeakMap<HubFrame, string>();
  #transport: ChannelTransport | null = null;
  #voice: HubVoice | null = null;
  #lastId = 1_000;
  #closed = false;

  readonly #features: readonly string[];

  private constructor(hub: HubUnderTest, features: readonly string[]) {
    this.#hub = hub;
    this.#features = features;
  }

  /** Connects without saying anything; nor does the hub. */
  static async connect(hub: HubUnderTest, features = WITHOUT_MANY): Promise<RawClient> {
    const client = new RawClient(hub, features);
    client.#transport = await hub.open({
      receive: (text) => client.#receive(text),
      lost: () => client.#end(),
    });
    return client;
  }

  /** Connects and authenticates. */
  static async authenticate(hub: HubUnderTest, credentials: HubCredentials): Promise<RawClient> {
    const client = await RawClient.connect(hub);
    client.send((await client.auth(credentials)).frame);
    await client.next('auth_ok');
    return client;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Lets the hub prove its key. */
  async begin(): Promise<{ hello: HelloFrame; hub: ProvedHub }> {
    const begin = createBegin(seededRandom(this.#lastId)(32), this.#features);
    this.sendText(begin.text);
    const frame = await this.next('hello');
    const hello = { frame, text: this.#texts.get(frame) ?? '' };
    const channelBinding = NO_CHANNEL_BINDING;
    const hub = acceptHello({ begin, hello, channelBinding, pinnedHubKey: null });
    if (!hub.ok) throw hub.error;
    this.#voice = { hubKey: hub.value.hubKey, transcript: hub.value.transcript };
    return { hello: frame, hub: hub.value };
  }

  /** Begins, and makes the `auth` frame that answers the hub's greeting. */
  async auth(credentials: HubCredentials): Promise<{ frame: AuthFrame; hello: HelloFrame }> {
    const { hello, hub } = await this.begin();
    const id = this.nextId();
    const auth = createAuth({ id, hub, credentials, channelBinding: NO_CHANNEL_BINDING });
    this.#voice = auth.voice;
    return { frame: auth.frame, hello };
  }

  /** Whether the hub signed a frame that came, for this connection and what was sent on it. */
  isSigned(frame: SignedFrame): boolean {
    const text = this.#texts.get(frame);
    return this.#voice !== null && text !== undefined && wasSaidByHub(this.#voice, { frame, text });
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  send(frame: ClientFrame): void {
    this.sendText(encodeFrame(frame));
  }

  sendText(text: string): void {
    this.#transport?.send(text);
  }

  /** Sends a request and waits for its reply, whatever it is. */
  async request(frame: WithoutId<RequestFrame>): Promise<HubFrame> {
    const id = this.nextId();
    this.send({ ...frame, id });
    return this.#take((reply) => 're' in reply && reply.re === id);
  }

  /** Sends a request and gives its error's code, or the type of any other reply. */
  async codeOf(frame: WithoutId<RequestFrame>): Promise<string> {
    const reply = await this.request(frame);
    return reply.type === 'error' ? reply.code : reply.type;
  }

  /** The next frame of a type, waiting for it. */
  async next<T extends HubFrame['type']>(type: T): Promise<FrameOf<T>> {
    return (await this.#take((frame) => frame.type === type)) as FrameOf<T>;
  }

  /** The answer to `auth`: `auth_ok`, or the code of the refusal. */
  async answerToAuth(): Promise<string> {
    const answer = await this.#take(({ type }) => type === 'auth_ok' || type === 'error');
    return answer.type === 'error' ? answer.code : answer.type;
  }

  /** Takes all frames of a type that are there. */
  all<T extends HubFrame['type']>(type: T): FrameOf<T>[] {
    const found = this.frames.filter((frame): frame is FrameOf<T> => frame.type === type);
    const rest = this.frames.filter((frame) => frame.type !== type);
    this.frames.splice(0, this.frames.length, ...rest);
    return found;
  }

  /** Waits until the hub has answered everything sent so far and pushed what it had to push. */
  async settle(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await this.request({ type: 'ping' });
    }
    await this.#hub.rest();
  }

  /** Waits for the end of the connection. */
  async closed(): Promise<void> {
    while (!this.#closed) await this.#arrival();
  }

  close(): void {
    this.#transport?.close();
  }

  #receive(text: string): void {
    const decoded = parseHubFrame(text);
    if (!decoded.ok) throw decoded.error;
    this.#texts.set(decoded.frame, text);
    this.frames.push(decoded.frame);
    this.#wake();
  }

  #end(): void {
    this.#closed = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#arrivals];
    this.#arrivals.clear();
    for (const wake of waiting) wake();
  }

  #arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.#arrivals.add(resolve);
    });
  }

  async #take(wanted: (frame: HubFrame) => boolean): Promise<HubFrame> {
    for (;;) {
      const at = this.frames.findIndex(wanted);
      const [frame] = at < 0 ? [] : this.frames.splice(at, 1);
      if (frame !== undefined) return frame;
      if (this.#closed) {
        throw new UnexpectedEnd(`closed; left: ${JSON.stringify(this.frames.map((f) => f.type))}`);
      }
      await this.#arrival();
    }
  }
}
