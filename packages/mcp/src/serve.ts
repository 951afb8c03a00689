/**
 * `serveMcp`: one MCP connection over standard input and output. Owns its beginning and its end;
 * what the tools do is in `tools`.
 */
import { Control, readContracts } from '@agentmesh/cli';
import type { AgentFiles } from '@agentmesh/cli';
import type { Readable, Writable } from 'node:stream';

/** Which agent is served, and where. */
export interface ServeMcpOptions {
  /** The agent's files, of `filesOf`. It need not be there yet: tools then say how to make it. */
  readonly files: AgentFiles;
  /** Passphrase of the key file. */
  readonly passphrase?: string | undefined;
  /** Default: those of the process. */
  readonly stdin?: Readable | undefined;
  readonly stdout?: Writable | undefined;
}

/** A connection that is served. */
export interface McpConnection {
  /** Fulfilled when the client has ended it. */
  readonly ended: Promise<void>;
  /** Ends it, and lets go of the agent. */
  close(): Promise<void>;
}

/**
 * Serves the agent to an MCP client. The agent is held for as long as the connection lasts, unless
 * another program holds it: then that one is asked.
 */
export async function serveMcp(options: ServeMcpOptions): Promise<McpConnection> {
  // Loaded when there is somebody to serve.
  const { serveStdio, StdioServerTransport } = await import('@modelcontextprotocol/server/stdio');
  const { createServer } = await import('./server.js');
  const { files, passphrase, stdin, stdout } = options;
  const contracts = readContracts(files);
  const control = new Control(files, { client: 'agentmesh mcp', passphrase });
  // Mail comes from now on; where the agent cannot be reached, each tool says why.
  control.connect().catch(() => undefined);
  const transport = new StdioServerTransport(stdin, stdout);
  const ended = Promise.withResolvers<void>();
  const handle = serveStdio(() => createServer(control, contracts), { transport });
  // A client ends by closing what it writes to.
  const input = stdin ?? process.stdin;
  for (const event of ['end', 'close', 'error']) input.once(event, () => ended.resolve());
  return {
    ended: ended.promise,
    async close() {
      await handle.close();
      await control.close();
      ended.resolve();
    },
  };
}
