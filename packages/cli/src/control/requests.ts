/**
 * Requests of JSON-RPC 2.0 by their outside: one object a line.
 * Owns what is one; several at once in one line are not taken.
 */
import type { JSONRPCRequest } from 'json-rpc-2.0';

/** The request in a line, or what is wrong with it. */
export function requestIn(text: string): JSONRPCRequest | 'no JSON' | 'no request' {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'no JSON';
  }
  return isRequest(value) ? value : 'no request';
}

function isRequest(value: unknown): value is JSONRPCRequest {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { jsonrpc, method, id = null } = value as Record<string, unknown>;
  const isId = id === null || typeof id === 'number' || typeof id === 'string';
  return jsonrpc === '2.0' && typeof method === 'string' && isId;
}
