/**
 * Methods that ask other agents. Owns how long an answer is waited for here; the call itself
 * outlives the connection and the holder.
 */
import { answerToPrompt } from '@agentmesh/agent';
import type { Agent, Call } from '@agentmesh/agent';
import type { JsonObject, JsonValue } from '@agentmesh/protocol';
import type { AskRequest, CallState } from '../api.js';
import { streamMethods } from './streams.js';
import { controlError, reportOf } from '../error.js';
import { within } from '../hold.js';
import type { Hold, MethodWorks, Visitor } from '../hold.js';
import { keepMsOf, keptInTime, payloadOf } from './sending.js';

const ASK_MS = 300_000;
const CALL_MS = 7 * 86_400_000;

type CallMethod = 'ask' | 'call' | 'call_status' | 'cancel' | 'calls' | 'stream' | 'read';

/** ask, call, call_status, cancel, calls, stream, read. */
export function callMethods(hold: Hold): MethodWorks<CallMethod> {
  const { agent } = hold;
  const begin = async (request: AskRequest, timeoutMs: number, visitor: Visitor): Promise<Call> => {
    const { to, tag, key, op } = request;
    const giveUp = new AbortController();
    const wantedMs = request.timeoutMs ?? timeoutMs;
    const begun = agent.call(to, payloadOf(request), {
      timeout: wantedMs,
      key,
      op,
      signal: giveUp.signal,
      onProgress(value) {
        if (tag !== undefined) visitor.tell('progress', { tag, value });
      },
    });
    const call = await keptInTime(begun, keepMsOf(wantedMs), giveUp, { gone: visitor.gone });
    // It was being committed when it was given up: then it is cancelled.
    if (giveUp.signal.aborted) throw controlError('NOT_KEPT');
    if (tag !== undefined) visitor.tell('stored', { tag, id: call.id });
    return call;
  };
  return {
    async ask(request, visitor) {
      const call = await begin(request, ASK_MS, visitor);
      return ended(agent, call, request.waitMs, visitor);
    },
    async call(request, visitor) {
      return openState(await begin(request, CALL_MS, visitor));
    },
    async call_status({ id, waitMs = 0 }, visitor) {
      return ended(agent, await agent.callById(id), waitMs, visitor);
    },
    ...streamMethods(hold),
    async cancel({ id }) {
      const open = hold.streams.get(id);
      if (open !== undefined) {
        await open.stream.cancel();
        return {};
      }
      const call = await agent.callById(id);
      await call.cancel();
      return {};
    },
    async calls() {
      return { calls: (await agent.calls()).map(openState) };
    },
  };
}

/** The state of a call that nobody waits for: its answer stays unread. */
function openState(call: Call): CallState {
  const { id, peer, isOpen, deadline } = call;
  const state = isOpen ? 'open' : 'answered';
  const nothing = { answer: null, error: null, prompt: null };
  return { id, peer, state, deadlineMs: deadline.getTime(), ...nothing };
}

/** The state of a call after a wait; its answer is read with that. */
async function ended(
  agent: Agent,
  call: Call,
  waitMs: number | undefined,
  { signal }: Visitor,
): Promise<CallState> {
  // The answer is read only once it is there: a wait that ends before it leaves it kept.
  if (call.isOpen && (await within(call.ended, waitMs, signal)) === null) {
    return { ...openState(call), state: 'open' };
  }
  const { id, peer, deadline } = call;
  const about = { id, peer, deadlineMs: deadline.getTime() };
  try {
    const answer = await call.answer();
    const prompt = await promptOf(agent, call, answer);
    return { ...about, state: 'answered', answer, error: null, prompt };
  } catch (error) {
    const report = reportOf(error);
    // Perhaps in the words of the callee.
    const prompt = await promptOf(agent, call, { text: report.message });
    return { ...about, state: 'failed', answer: null, error: report, prompt };
  }
}

/** What a callee said, for a model. */
async function promptOf(agent: Agent, { id, peer }: Call, given: JsonValue): Promise<string> {
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
  const said: JsonObject = isObject ? (given as JsonObject) : { value: given };
  const known = (await agent.peers()).find(({ name, address }) => [name, address].includes(peer));
  const { name = peer, address = 'unknown', trust = 'first-contact' } = known ?? {};
  return answerToPrompt(said, { name, address, trust, id });
}
