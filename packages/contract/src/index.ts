/**
 * The public entry of `@agentmesh/contract`: contracts between agents, their types and their
 * checks. Pure values: both sides can share one without installing an agent.
 */

export { defineContract } from './contract.js';
export type { Contract, Operations } from './contract.js';
export { event, request, stream } from './operations.js';
export type {
  Anything,
  ErrorSchemas,
  EventOperation,
  NoErrors,
  Operation,
  RequestOperation,
  StreamOperation,
} from './operations.js';
export type { Callers, ChunkStream, ErrorMaker, Handlers, StreamOf } from './types.js';
export type { InputOf, OutputOf, Schema, SchemaIssue, SchemaResult } from './standard-schema.js';

// For who carries the calls.
export { check } from './check.js';
export { isSchema } from './contract.js';
export type { Guard } from './check.js';
export { describe } from './describe.js';
export type { ContractDescription, JsonSchema, OperationDescription } from './describe.js';
export { ContractError } from './errors.js';
export type { ContractErrorCode, Issue } from './errors.js';
