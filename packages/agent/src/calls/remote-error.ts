/**
 * What a caller learns when its request does not end with an answer. Owns the error; codes of a
 * callee are its own.
 */
import { AgentMeshError } from '@agentmesh/crypto';
import type { JsonValue } from '@agentmesh/protocol';
import type { EndError } from '../message/ask.js';

/** The callee's own words: its handler threw, or it refused the request. */
export class RemoteError extends AgentMeshError {
  readonly code: string;
  /** Who answered. */
  readonly peer: string;
  /** The callee's words, without code. */
  readonly detail: string;
  /** What its error carries; null if nothing. */
  readonly data: JsonValue;

  constructor(peer: string, { code, message, retryable, data }: EndError) {
    super(`${peer} answered ${code}${message === '' ? '' : `: ${message}`}`, { retryable });
    this.code = code;
    this.peer = peer;
    this.detail = message;
    this.data = data;
  }
}
