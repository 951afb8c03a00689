/**
 * What became of a received message, as its recipient tells it (protocol.md §2.6, kind 8). Owns the
 * states and the binary body; when it is told is `outcomes`'.
 *
 * Body: u8 n (1..64) + n × (msgId(16) | u8 state | lp8 reason, UTF-8).
 */
import { concatBytes, CryptoError } from '@agentmesh/crypto';

/**
 * Every handler is done; the application refused it; no handler managed in all its attempts; it
 * waits for a person's decision; its sender cancelled it; its kind is not understood there.
 */
export type OutcomeState = 'handled' | 'refused' | 'failed' | 'held' | 'cancelled' | 'unsupported';

const STATES: readonly OutcomeState[] = [
  'handled',
  'refused',
  'failed',
  'held',
  'cancelled',
  'unsupported',
];

/** One message's end. */
export interface Outcome {
  readonly msgId: Uint8Array;
  readonly state: OutcomeState;
  /**
   * The recipient's words for a refusal, at most {@link REASON_BYTES}; else empty. `state 7` where
   * a later version told a state that this one does not know.
   */
  readonly reason: string;
}

/** Outcomes in one message. */
export const OUTCOMES = 64;
/** Bytes of a reason in UTF-8. */
export const REASON_BYTES = 200;

const FIRST_STATE = 1;
const MSG_ID_BYTES = 16;
const utf8 = new TextEncoder();
const utf8Strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A text cut to what a reason may have, never in the middle of a character. */
export function reasonOf(text: string): string {
  const whole = text.toWellFormed();
  const { read } = utf8.encodeInto(whole, new Uint8Array(REASON_BYTES));
  return whole.slice(0, read);
}

/** The body of kind 8 for 1 to {@link OUTCOMES} outcomes. */
export function encodeOutcomes(outcomes: readonly Outcome[]): Uint8Array {
  const entries = outcomes.map(({ msgId, state, reason }) => {
    const text = utf8.encode(reason);
    return concatBytes(
      msgId,
      Uint8Array.of(FIRST_STATE + STATES.indexOf(state), text.length),
      text,
    );
  });
  return concatBytes(Uint8Array.of(outcomes.length), ...entries);
}

/** Reads a body of kind 8; throws BAD_CONTENT. */
export function decodeOutcomes(body: Uint8Array): readonly Outcome[] {
  const count = body[0] ?? 0;
  if (count < 1 || count > OUTCOMES) throw new CryptoError('BAD_CONTENT');
  const outcomes: Outcome[] = [];
  let at = 1;
  while (outcomes.length < count) {
    const { outcome, end } = outcomeAt(body, at);
    outcomes.push(outcome);
    at = end;
  }
  if (at !== body.length) throw new CryptoError('BAD_CONTENT');
  return outcomes;
}

function outcomeAt(body: Uint8Array, at: number): { outcome: Outcome; end: number } {
  const number = body[at + MSG_ID_BYTES] ?? 0;
  const length = body[at + MSG_ID_BYTES + 1] ?? 0;
  const start = at + MSG_ID_BYTES + 2;
  const end = start + length;
  if (number === 0 || length > REASON_BYTES || end > body.length) {
    throw new CryptoError('BAD_CONTENT');
  }
  const msgId = body.slice(at, at + MSG_ID_BYTES);
  try {
    const reason = utf8Strict.decode(body.subarray(start, end));
    const state = STATES[number - FIRST_STATE];
    // A state of a later version ends the message all the same (§2.6).
    const outcome = { msgId, state: state ?? 'failed', reason: state ? reason : `state ${number}` };
    return { outcome, end };
  } catch (error) {
    throw new CryptoError('BAD_CONTENT', undefined, error);
  }
}
