/**
 * Progress while a tool waits: a client that asked for it is told that the tool is alive, and when
 * the other agent says how far it is. Owns the notifications; the peer's own words are not in them.
 */
import type { Control } from '@agentmesh/cli';
import type { ServerContext } from '@modelcontextprotocol/server';

/** Shorter than the patience of clients that count from the last sign of life. */
const BEAT_MS = 10_000;

let tags = 0;

/** Works, and tells the client meanwhile. */
export async function withProgress<T>(
  control: Control,
  { mcpReq }: ServerContext,
  work: (tag: string) => Promise<T>,
): Promise<T> {
  tags += 1;
  const tag = `mcp ${process.pid} ${tags}`;
  const token = mcpReq._meta?.progressToken;
  if (token === undefined) return work(tag);
  let progress = 0;
  const tell = (message: string): void => {
    progress += 1;
    const params = { progressToken: token, progress, message };
    mcpReq.notify({ method: 'notifications/progress', params }).catch(() => undefined);
  };
  const forget = control.onNews((news, params) => {
    if (params.tag !== tag) return;
    tell(news === 'stored' ? 'the request is on its way' : 'the other agent is working on it');
  });
  const beat = setInterval(() => tell('waiting for the other agent'), BEAT_MS);
  try {
    return await work(tag);
  } finally {
    clearInterval(beat);
    forget();
  }
}
