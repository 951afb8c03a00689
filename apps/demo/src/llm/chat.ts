/**
 * The agent that has the language model: what it offers to others, and how it answers. Owns the
 * contract and the way from the chat completions API to chunks of a stream.
 */
import { defineContract, stream } from 'agentmesh';
import type { Agent } from 'agentmesh';
import type OpenAI from 'openai';
import { z } from 'zod';

/** What both sides know: the model's agent serves it, the others call it. */
export const chat = defineContract('chat@1', {
  complete: stream({
    input: z.object({ instruction: z.string(), material: z.string() }),
    chunk: z.string(),
    result: z.object({ model: z.string(), finish: z.string() }),
    errors: { MODEL_FAILED: z.object({ status: z.number().nullable() }) },
  }),
});

/** Who is asked, and for which model. */
export interface Model {
  readonly client: OpenAI;
  readonly name: string;
}

/** Serves {@link chat}; `asked` is told of each question, with the name of who asks. */
export function serveChat(
  agent: Agent,
  { client, name }: Model,
  asked: (by: string, material: string) => void = () => {},
): void {
  agent.serve(chat, {
    async *complete({ instruction, material }, context) {
      asked(context.peer.name, material);
      const failed = (message: string, status: number | null = null): Error =>
        context.error('MODEL_FAILED', { status }, { message });
      let finish: string | null = null;
      try {
        const answer = await client.chat.completions.create(
          {
            model: name,
            stream: true,
            messages: [
              { role: 'system', content: instruction },
              { role: 'user', content: material },
            ],
          },
          // Who leaves the loop stops the model, too.
          { signal: context.signal },
        );
        for await (const { choices } of answer) {
          const [choice] = choices;
          const text = choice?.delta.content ?? '';
          if (text !== '') yield text;
          finish = choice?.finish_reason ?? finish;
        }
      } catch (error) {
        throw failed(error instanceof Error ? error.message : String(error), statusOf(error));
      }
      // A connection that is cut ends the loop like the end of an answer.
      if (finish === null) throw failed('the answer broke off');
      return { model: name, finish };
    },
  });
}

function statusOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null || !('status' in error)) return null;
  return typeof error.status === 'number' ? error.status : null;
}
