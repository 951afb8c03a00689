/**
 * Tells a caller how far its request is: the latest word, and not more often than is useful. Owns
 * the pace.
 */
import { CALL_FRAME, CONTENT_KIND, encodeCallFrames, fromHex } from '@agentmesh/crypto';
import { encodePayload } from '@agentmesh/protocol';
import type { JsonValue } from '@agentmesh/protocol';
import { AgentError } from '../ground/errors.js';
import type { Runtime } from '../ground/runtime.js';
import type { Sender } from '../sending/sender.js';

/** Between two words, at least. */
const PACE_MS = 250;
const PROGRESS_BYTES = 4_096;

/** The words of one run of one request. */
export class ProgressTeller {
  readonly #runtime: Runtime;
  readonly #sender: Sender;
  readonly #call: { readonly to: Uint8Array; readonly id: string };
  #latest: Uint8Array | null = null;
  #isBusy = false;

  constructor(
    runtime: Runtime,
    sender: Sender,
    call: { readonly to: Uint8Array; readonly id: string },
  ) {
    this.#runtime = runtime;
    this.#sender = sender;
    this.#call = call;
  }

  /** Throws BAD_PAYLOAD, or BAD_OPTION for more than 4 KiB. */
  tell(value: JsonValue): void {
    const data = encodePayload({ value });
    if (data.length > PROGRESS_BYTES) {
      throw new AgentError('BAD_OPTION', `progress: at most ${PROGRESS_BYTES} bytes of JSON`);
    }
    this.#latest = data;
    if (!this.#isBusy) void this.#say();
  }

  async #say(): Promise<void> {
    this.#isBusy = true;
    const { to, id } = this.#call;
    const tried = this.#latest;
    await this.#sender.tell(to, () => {
      const data = this.#latest;
      this.#latest = null;
      if (data === null) return null;
      const frame = { callId: fromHex(id), what: CALL_FRAME.progress, run: 0, at: 0, data };
      return { kind: CONTENT_KIND.callFrames, body: encodeCallFrames([frame]) };
    });
    // It could not be said, such as to a caller that no session can be begun with: that is no
    // reason to try again and again, also when the request has long ended.
    if (this.#latest === tried) this.#latest = null;
    this.#runtime.schedule(PACE_MS, () => {
      this.#isBusy = false;
      if (this.#latest !== null) void this.#say();
    });
  }
}
