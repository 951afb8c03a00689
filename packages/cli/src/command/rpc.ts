/**
 * `rpc`: the control socket on standard input and output, for programs in any language. Owns the
 * passing on; methods are the holder's, over any number of holders.
 */
import type { Command } from 'commander';
import { CONTROL_PROTOCOL } from '../control/api.js';
import type { ControlMethod } from '../control/api.js';
import { controlError } from '../control/error.js';
import { readLines } from '../control/wire.js';
import type { Control } from '../holder/open-control.js';
import type { CommandProcess } from './process.js';
import { streamCommand } from './program.js';
import { withClient } from './with-client.js';
import type { CommonOptions } from './with-client.js';

/** Adds it. */
export function addRpc(program: Command, command: CommandProcess): void {
  streamCommand(
    program,
    'rpc',
    'Speak JSON-RPC 2.0 on standard input and output, one object a line',
    `echo '{"jsonrpc":"2.0","id":1,"method":"whoami"}' | agentmesh rpc`,
    'agentmesh rpc --openrpc',
  )
    .option('--openrpc', 'print the description of all methods, and end')
    .action(async (options: CommonOptions & { readonly openrpc?: boolean }) => {
      if (options.openrpc === true) {
        const { describeMethods } = await import('../control/openrpc.js');
        command.print(`${JSON.stringify(describeMethods(), null, 2)}\n`);
        return;
      }
      await withClient(options, command, (control) => passOn(control, command));
    });
}

/** How requests and errors look, which no other command needs to load. */
async function loadForms() {
  const { requestIn } = await import('../control/requests.js');
  return { requestIn, ...(await import('../control/rpc-codes.js')) };
}

type Forms = Awaited<ReturnType<typeof loadForms>>;

async function passOn(control: Control, { stdin, print }: CommandProcess): Promise<void> {
  const forms = await loadForms();
  const running = new Set<Promise<void>>();
  const tell = (value: unknown): void => print(`${JSON.stringify(value)}\n`);
  const forget = control.onNews((method, params) => tell({ jsonrpc: '2.0', method, params }));
  const closed = Promise.withResolvers<void>();
  readLines(stdin, {
    line(text) {
      const done: Promise<void> = answer(control, { text, tell, forms }).finally(() =>
        running.delete(done),
      );
      running.add(done);
    },
    closed: closed.resolve,
  });
  await closed.promise;
  await Promise.all(running);
  forget();
}

async function answer(
  control: Control,
  line: { readonly text: string; readonly tell: (value: unknown) => void; readonly forms: Forms },
): Promise<void> {
  const { text, tell, forms } = line;
  const request = forms.requestIn(text);
  if (typeof request === 'string') return tell(forms.faultResponse(request));
  const { id = null, method } = request;
  const params: unknown = request.params ?? {};
  try {
    const result =
      method === 'hello'
        ? await greeting(control, params)
        : await control.call(method as ControlMethod, params as never);
    if (id !== null) tell({ jsonrpc: '2.0', id, result });
  } catch (error) {
    if (id !== null) tell(forms.errorResponse(id, error));
  }
}

/** Not needed here, but a client need not know over what it speaks. */
async function greeting(control: Control, params: unknown): Promise<object> {
  const { protocol } = params as { readonly protocol?: unknown };
  const own = await control.greeting();
  if (protocol === undefined || protocol === CONTROL_PROTOCOL) return own;
  throw controlError('HOLDER_VERSION', `holder ${own.version}`);
}
