/**
 * A program as the callee of a contract: what it may be asked, and what it may answer. Owns these
 * checks; running it is `listener`'s.
 */
import type { Json, Mail } from '../control/api.js';
import type { KnownContract, KnownOperation } from '../profile/contracts.js';
import { misfitOf } from '../profile/misfit.js';

/** Why a request is refused; null where it may run, or is none. */
export async function refusalOf(mail: Mail, contract: KnownContract): Promise<string | null> {
  const { asks, value } = mail;
  if (asks === null || asks.op === null) return null;
  const operation = operationOf(asks.op, contract);
  if (operation === null) {
    const served = Object.keys(contract.operations).join(', ');
    return `UNKNOWN_OPERATION: ${asks.op}; served: ${contract.id}: ${served}`;
  }
  const misfit = await misfitOf(value, operation.input);
  return misfit === null ? null : `BAD_PAYLOAD: ${misfit}`;
}

/** What a program has written, as the answer of an operation; a text where it does not fit. */
export async function answerFrom(
  output: string,
  mail: Mail,
  contract: KnownContract,
): Promise<{ readonly value: Json } | { readonly misfit: string }> {
  const operation = operationOf(mail.asks?.op ?? '', contract);
  let value: Json;
  try {
    value = output.trim() === '' ? {} : (JSON.parse(output) as Json);
  } catch {
    return { misfit: 'INVALID_OUTPUT: not JSON' };
  }
  const misfit = operation?.output === undefined ? null : await misfitOf(value, operation.output);
  return misfit === null ? { value } : { misfit: `INVALID_OUTPUT: ${misfit}` };
}

/** `research@1/summarize` of `research@1`. A stream has no answer that a program could print. */
function operationOf(op: string, { id, operations }: KnownContract): KnownOperation | null {
  const name = op.startsWith(`${id}/`) ? op.slice(id.length + 1) : '';
  const found = Object.hasOwn(operations, name) ? operations[name] : undefined;
  return found === undefined || found.kind === 'stream' ? null : found;
}
