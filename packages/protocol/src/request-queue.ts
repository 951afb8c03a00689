/**
 * Requests of one connection that wait until they may leave: within the rates of the hub and the
 * numbers that may be unanswered. Owns their order, their number and their deadlines; `send` and
 * all other requests wait apart, each in the order of the calls.
 */
import { ProtocolError } from './errors.js';
import type { HubLimits } from './hub-frames.js';
import type { Pace, RequestCost } from './pace.js';

/** A request that may have to wait. */
export interface WaitingRequest {
  readonly cost: RequestCost;
  readonly deadlineMs: number;
  /** Called once it may leave; then {@link RequestQueue.answered} must be called once. */
  readonly start: () => void;
  readonly fail: (error: ProtocolError) => void;
}

/** What a queue needs. */
export interface RequestQueueOptions {
  readonly pace: Pace;
  readonly now: () => number;
  /** Runs a task once; the returned function calls it off. Without it `run` must be called. */
  readonly after?: ((delayMs: number, task: () => void) => () => void) | undefined;
}

/** As many as an agent keeps unsent; more are refused at once. */
const MOST_WAITING = 10_000;

type Kind = RequestCost['kind'];

class Lane {
  readonly waiting: WaitingRequest[] = [];
  unanswered = 0;
  /** Until the hub has said more. */
  most = 1;
  wake: (() => void) | null = null;
}

/** One per connection. */
export class RequestQueue {
  readonly #options: RequestQueueOptions;
  readonly #lanes: Readonly<Record<Kind, Lane>> = { send: new Lane(), request: new Lane() };
  #ended: ProtocolError | null = null;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
  }

  /** The connection is authenticated. */
  open(limits: HubLimits): void {
    this.#options.pace.adopt(limits, this.#options.now());
    this.#lanes.send.most = limits.inFlight;
    this.#lanes.request.most = limits.pending;
  }

  /** Starts the request at once if it may leave. */
  enter(request: WaitingRequest): void {
    if (this.#ended !== null) return request.fail(this.#ended);
    const lane = this.#lanes[request.cost.kind];
    if (lane.waiting.length >= MOST_WAITING) return request.fail(this.#full(request.cost));
    lane.waiting.push(request);
    if (lane.waiting.length === 1) this.#run(lane);
  }

  /** The hub refused it for its rate: it leaves again before all others of its kind. */
  again(request: WaitingRequest, waitMs: number): void {
    if (this.#ended !== null) return request.fail(this.#ended);
    const lane = this.#lanes[request.cost.kind];
    this.#options.pace.refused(request.cost, waitMs, this.#options.now());
    lane.waiting.unshift(request);
    this.#run(lane);
  }

  /** A request that was started has its answer. */
  answered({ kind }: RequestCost): void {
    const lane = this.#lanes[kind];
    lane.unanswered -= 1;
    if (lane.waiting.length > 0 && this.#ended === null) this.#run(lane);
  }

  /** Time has passed. */
  run(): void {
    for (const lane of Object.values(this.#lanes)) if (lane.waiting.length > 0) this.#run(lane);
  }

  /** The connection is over: nothing leaves any more. */
  end(error: ProtocolError): void {
    this.#ended = error;
    for (const lane of Object.values(this.#lanes)) {
      lane.wake?.();
      for (const request of lane.waiting.splice(0)) request.fail(error);
    }
  }

  #run(lane: Lane): void {
    const { pace, now, after } = this.#options;
    lane.wake?.();
    lane.wake = null;
    for (let next = lane.waiting[0]; next !== undefined; next = lane.waiting[0]) {
      const nowMs = now();
      const waitMs = pace.waitMs(next.cost, nowMs);
      if (nowMs >= next.deadlineMs || waitMs > next.deadlineMs - nowMs) {
        lane.waiting.shift();
        next.fail(tooLate(waitMs));
        continue;
      }
      if (lane.unanswered >= lane.most) return;
      if (waitMs > 0) {
        lane.wake = after?.(waitMs, () => this.#run(lane)) ?? null;
        return;
      }
      lane.waiting.shift();
      lane.unanswered += 1;
      pace.spend(next.cost, nowMs);
      next.start();
    }
  }

  #full(cost: RequestCost): ProtocolError {
    const retryAfterMs = Math.max(1_000, this.#options.pace.waitMs(cost, this.#options.now()));
    return new ProtocolError('RATE_LIMITED', {
      message: `Too many requests wait for the hub (${MOST_WAITING}): wait for some of them`,
      retryAfterMs,
    });
  }
}

function tooLate(retryAfterMs: number): ProtocolError {
  return new ProtocolError('TIMEOUT', {
    message: 'Too many requests at once: this one would leave too late at the rate of the hub',
    retryAfterMs,
  });
}
