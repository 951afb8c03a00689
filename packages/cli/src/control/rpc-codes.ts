/**
 * How an error looks in JSON-RPC 2.0: its number, and our code in `data`.
 * Owns that table; what an error means is said by its code.
 */
import { createJSONRPCErrorResponse, JSONRPCErrorCode } from 'json-rpc-2.0';
import type { JSONRPCErrorResponse } from 'json-rpc-2.0';
import { reportOf } from './error.js';

/** Of errors that are no others of JSON-RPC. */
const SERVER_ERROR = -32_000;

/** The response to a request that has failed. */
export function errorResponse(id: string | number | null, error: unknown): JSONRPCErrorResponse {
  const report = reportOf(error);
  return createJSONRPCErrorResponse(id, numberOf(report.code), report.message, report);
}

/** The response to a line that is no request. */
export function faultResponse(fault: 'no JSON' | 'no request'): JSONRPCErrorResponse {
  const isJson = fault === 'no request';
  const code = isJson ? JSONRPCErrorCode.InvalidRequest : JSONRPCErrorCode.ParseError;
  const text = isJson ? 'Not a request of JSON-RPC 2.0' : 'Not JSON';
  return createJSONRPCErrorResponse(null, code, text);
}

function numberOf(code: string): number {
  if (code === 'NO_SUCH_METHOD') return JSONRPCErrorCode.MethodNotFound;
  return code === 'BAD_REQUEST' ? JSONRPCErrorCode.InvalidParams : SERVER_ERROR;
}
