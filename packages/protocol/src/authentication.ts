/**
 * Mutual authentication of client and hub (protocol.md §2.15): both sides' steps as pure functions.
 * Owns what is checked and in which order. Does not own nonces being used once, registration modes
 * or the connection: the caller hands in what its own side of the connection says.
 *
 *   hub                                        client
 *   hello {hubKey, serverNonce}       ->       acceptHello, createAuth
 *   verifyClientAuth                  <-       auth {signature}
 *   auth_ok {signature of the answer} ->       verifyAuthOk
 */
import {
  equalBytes,
  hubAuthBytes,
  hubIdOf,
  importHubKey,
  importIdentity,
  verifyHubAuth,
} from '@agentmesh/crypto/verify';
import type {
  ChannelBindingType,
  HubAuthTranscript,
  PublicIdentity,
} from '@agentmesh/crypto/verify';
import type { AuthFrame } from './client-frames.js';
import { ProtocolError } from './errors.js';
import type { Checked } from './errors.js';
import type { HubCredentials } from './hub.js';
import type { AuthOkFrame, HelloFrame } from './hub-frames.js';
import { PROTOCOL_LIMITS } from './limits.js';
import { refusalOf } from './refusal.js';
import { negotiateVersion } from './version.js';

/** How the connection itself is bound into both signatures. */
export interface ChannelBinding {
  /** 0 = no TLS, 1 = TLS exporter (RFC 9266), 2 = TLS ends in a proxy or in the browser. */
  readonly type: ChannelBindingType;
  /** 32 bytes, the same on both ends; zeros unless the type is 1. */
  readonly value: Uint8Array;
}

/** Binding of a connection without TLS. */
export const NO_CHANNEL_BINDING: ChannelBinding = { type: 0, value: new Uint8Array(32) };

/** A hub that may be answered. Its key is proved only by {@link verifyAuthOk}. */
export interface AcceptedHub {
  readonly version: number;
  readonly hubKey: Uint8Array;
  readonly hubId: Uint8Array;
}

/** Client: judges `hello`. Refuses with VERSION, BAD_AUTH (key) or HUB_KEY_CHANGED. */
export function acceptHello(
  hello: HelloFrame,
  pinnedHubKey: Uint8Array | null,
): Checked<AcceptedHub> {
  const version = negotiateVersion(hello.versions);
  if (version === null) return refused(new ProtocolError('VERSION'));
  if (pinnedHubKey !== null && !equalBytes(pinnedHubKey, hello.hubKey)) {
    return refused(new ProtocolError('HUB_KEY_CHANGED'));
  }
  try {
    const hubKey = importHubKey(hello.hubKey);
    return { ok: true, value: { version, hubKey, hubId: hubIdOf(hubKey) } };
  } catch (error) {
    return refused(refusalOf(error, 'BAD_AUTH'));
  }
}

/** What {@link createAuth} needs beside the credentials. */
export interface AuthRequest {
  /** Number of the request. */
  readonly id: number;
  /** As {@link acceptHello} let it pass. */
  readonly hello: HelloFrame;
  readonly credentials: HubCredentials;
  /** 32 fresh random bytes. */
  readonly clientNonce: Uint8Array;
  readonly channelBinding: ChannelBinding;
}

/** Client: the `auth` frame, and the transcript that the hub's answer must sign. */
export function createAuth(request: AuthRequest): {
  readonly frame: AuthFrame;
  readonly expected: HubAuthTranscript;
} {
  const { id, hello, credentials, clientNonce, channelBinding } = request;
  const { name, identity, instance, boot, token } = credentials;
  const transcript: HubAuthTranscript = {
    role: 'client',
    channelBindingType: channelBinding.type,
    channelBinding: channelBinding.value,
    hubKey: hello.hubKey,
    serverNonce: hello.serverNonce,
    clientNonce,
    aid: identity.aid,
    name,
    instance,
    boot,
  };
  const frame: AuthFrame = {
    type: 'auth',
    id,
    name,
    identityKey: identity.signing,
    exchangeKey: identity.dh,
    clientNonce,
    instance,
    boot,
    channelBinding: channelBinding.type,
    ...(token === undefined ? {} : { token }),
    signature: credentials.sign(hubAuthBytes(transcript)),
  };
  return { frame, expected: { ...transcript, role: 'hub' } };
}

/** Client: whether the hub owns the key of its `hello`, on this very connection; else BAD_AUTH. */
export function verifyAuthOk(frame: AuthOkFrame, expected: HubAuthTranscript): Checked<null> {
  return verifyHubAuth(expected, frame.signature, expected.hubKey)
    ? { ok: true, value: null }
    : refused(new ProtocolError('BAD_AUTH', { detail: 'signature of the hub' }));
}

/** What the hub knows of a connection that sends `auth`. */
export interface ClientAuthCheck {
  readonly frame: AuthFrame;
  /** Key and nonce of this connection's `hello`. */
  readonly hubKey: Uint8Array;
  readonly serverNonce: Uint8Array;
  /** When that nonce was sent. */
  readonly nonceIssuedMs: number;
  readonly nowMs: number;
  readonly channelBinding: ChannelBinding;
}

/** A client that owns its keys. Whether it may have the name is the directory's matter. */
export interface AuthenticatedClient {
  readonly name: string;
  readonly identity: PublicIdentity;
  readonly instance: Uint8Array;
  readonly boot: number;
  /** What the hub signs for `auth_ok`. */
  readonly answer: HubAuthTranscript;
}

/**
 * Hub: verifies `auth`; every refusal is BAD_AUTH. The caller allows one attempt per connection,
 * so that a nonce is used once, and closes after any refused `auth` (4401), whatever the code.
 */
export function verifyClientAuth(check: ClientAuthCheck): Checked<AuthenticatedClient> {
  const { frame, channelBinding } = check;
  const age = check.nowMs - check.nonceIssuedMs;
  if (!(age >= 0 && age <= PROTOCOL_LIMITS.authenticationMs)) return badAuth('nonce too old');
  if (frame.channelBinding !== channelBinding.type) return badAuth('kind of connection');
  let identity: PublicIdentity;
  try {
    identity = importIdentity(frame.identityKey, frame.exchangeKey);
  } catch (error) {
    return refused(refusalOf(error, 'BAD_AUTH'));
  }
  const { name, instance, boot, clientNonce } = frame;
  const transcript: HubAuthTranscript = {
    role: 'client',
    channelBindingType: channelBinding.type,
    channelBinding: channelBinding.value,
    hubKey: check.hubKey,
    serverNonce: check.serverNonce,
    clientNonce,
    aid: identity.aid,
    name,
    instance,
    boot,
  };
  if (!verifyHubAuth(transcript, frame.signature, identity.signing)) return badAuth('signature');
  const answer: HubAuthTranscript = { ...transcript, role: 'hub' };
  return { ok: true, value: { name, identity, instance, boot, answer } };
}

function refused(error: ProtocolError): { ok: false; error: ProtocolError } {
  return { ok: false, error };
}

function badAuth(detail: string): { ok: false; error: ProtocolError } {
  return refused(new ProtocolError('BAD_AUTH', { detail }));
}
