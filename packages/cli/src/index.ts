/**
 * The public door of `@agentmesh/cli`: one process holds an agent and serves it, others use it. It
 * loads nothing that encrypts before an agent has to be opened.
 */
export { serveControl } from './control/serve-control.js';
export type { ControlServer, ServeControlOptions } from './control/serve-control.js';
export { ControlClient } from './control/client.js';
export type { NewsListener } from './control/client.js';
export type {
  CallState,
  ControlContact,
  ControlMethod,
  ControlMethods,
  ControlNews,
  ControlPeer,
  ControlStatus,
  DeadMail,
  ErrorReport,
  Greeting,
  Json,
  JsonMembers,
  Mail,
  ParamsOf,
  ResultOf,
  SentMail,
  Verification,
  WhoAmI,
} from './control/api.js';
export { ControlError } from './control/error.js';
export type { ControlErrorCode } from './control/error.js';

// Where an agent of this user is, and the way to it.
export { filesOf } from './profile/profile.js';
export { readContracts } from './profile/contracts.js';
export type { JsonSchema, KnownContract, KnownOperation } from './profile/contracts.js';
export type { AgentFiles, ProfileChoice, ProfileWorld } from './profile/profile.js';
export { Control, openControl } from './holder/open-control.js';
export type { OpenControlOptions } from './holder/open-control.js';
