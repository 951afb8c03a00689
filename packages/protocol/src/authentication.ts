/**
 * Mutual authentication of client and hub (protocol.md §2.15): both sides' steps as pure functions,
 * in their order. Does not own nonces being used once, registration modes or the connection.
 *
 *   client: createBegin    ->   hub: greet, with its proof
 *   client: acceptHello, createAuth    ->   hub: verifyClientAuth, withAuth
 *   client: wasSaidByHub   <-   hub: sayAsHub, of auth_ok, error or bye
 */
import {
  equalBytes,
  hubAuthBytes,
  hubIdOf,
  hubTranscript,
  importHubKey,
  importIdentity,
  transcriptWithAuth,
  verifyHubAuth,
  verifyHubProof,
  verifyHubSaid,
} from '@agentmesh/crypto/verify';
import type {
  ChannelBindingType,
  HubAuthTranscript,
  HubGreeting,
  HubKeyPair,
  PublicIdentity,
} from '@agentmesh/crypto/verify';
import type { AuthFrame, BeginFrame } from './client-frames.js';
import { ProtocolError } from './errors.js';
import type { Checked } from './errors.js';
import { encodeFrame } from './frame-codec.js';
import type { HubCredentials } from './hub.js';
import type { HelloFrame, HubLimits } from './hub-frames.js';
import { PROTOCOL_LIMITS } from './limits.js';
import { refusalOf } from './refusal.js';
import { signedPart, textOfHello, textToSign } from './signed-text.js';
import type { SignedFrame } from './signed-text.js';
import { commonFeatures, FEATURES, SUPPORTED_FEATURES, SUPPORTED_VERSIONS } from './version.js';

/** How the connection itself is bound into both signatures. */
export interface ChannelBinding {
  /** 0 = no TLS, 1 = TLS exporter (RFC 9266), 2 = TLS ends in a proxy or in the browser. */
  readonly type: ChannelBindingType;
  /** 32 bytes, the same on both ends; zeros unless the type is 1. */
  readonly value: Uint8Array;
}

/** Binding of a connection without TLS. */
export const NO_CHANNEL_BINDING: ChannelBinding = { type: 0, value: new Uint8Array(32) };

/** A frame and its text, as it was sent or received. */
export interface Spoken<F> {
  readonly frame: F;
  readonly text: string;
}

/** Client: the first frame, with 32 fresh random bytes, and what it can do beyond its version. */
export function createBegin(
  clientNonce: Uint8Array,
  features: readonly string[] = SUPPORTED_FEATURES,
): Spoken<BeginFrame> {
  const versions = [...SUPPORTED_VERSIONS];
  const frame: BeginFrame = { type: 'begin', versions, features: [...features], clientNonce };
  return { frame, text: encodeFrame(frame) };
}

/** Hub: what {@link greet} needs. */
export interface Greeting {
  readonly hubKey: HubKeyPair;
  readonly begin: Spoken<BeginFrame>;
  readonly hello: Omit<HelloFrame, 'proof'>;
  readonly channelBinding: ChannelBinding;
}

/** Hub: `hello` with its proof, and the transcript of the connection from then on. */
export function greet({ hubKey, begin, hello, channelBinding }: Greeting): {
  readonly frame: HelloFrame;
  readonly transcript: Uint8Array;
} {
  const text = textOfHello(hello);
  const greeting = greetingOf({ begin, hello, text, channelBinding });
  return {
    frame: { ...hello, proof: hubKey.prove(greeting) },
    transcript: hubTranscript(greeting),
  };
}

/** What {@link acceptHello} judges. */
export interface HelloCheck {
  /** What this client sent on this connection. */
  readonly begin: Spoken<BeginFrame>;
  /** What came back. */
  readonly hello: Spoken<HelloFrame>;
  readonly channelBinding: ChannelBinding;
  readonly pinnedHubKey: Uint8Array | null;
}

/** A hub that proved its key on this connection: it may learn who we are. */
export interface ProvedHub {
  readonly version: number;
  /** What both sides can do beyond that version. */
  readonly features: readonly string[];
  readonly hubKey: Uint8Array;
  readonly hubId: Uint8Array;
  readonly limits: HubLimits;
  readonly timeMs: number;
  readonly clientNonce: Uint8Array;
  readonly serverNonce: Uint8Array;
  /** Of this connection, up to here. */
  readonly transcript: Uint8Array;
}

/** Client: judges `hello`. Refuses with HUB_UNPROVEN, HUB_KEY_CHANGED or VERSION. */
export function acceptHello(check: HelloCheck): Checked<ProvedHub> {
  const { begin, hello, channelBinding, pinnedHubKey } = check;
  const { version, features, serverNonce, limits, time: timeMs, proof } = hello.frame;
  const text = signedPart(hello.text, 'proof');
  if (text === null) return refused(unproven('its proof is not the last field'));
  let hubKey: Uint8Array;
  try {
    hubKey = importHubKey(hello.frame.hubKey);
  } catch (error) {
    return refused(refusalOf(error, 'HUB_UNPROVEN'));
  }
  const greeting = greetingOf({ begin, hello: hello.frame, text, channelBinding });
  if (!verifyHubProof(greeting, proof, hubKey)) {
    return refused(unproven('its signature is not of this connection'));
  }
  if (pinnedHubKey !== null && !equalBytes(pinnedHubKey, hubKey)) {
    return refused(new ProtocolError('HUB_KEY_CHANGED'));
  }
  if (!SUPPORTED_VERSIONS.includes(version)) return refused(new ProtocolError('VERSION'));
  const { clientNonce } = begin.frame;
  const hub = { version, features: commonFeatures(features), hubKey, hubId: hubIdOf(hubKey) };
  const transcript = hubTranscript(greeting);
  return { ok: true, value: { ...hub, limits, timeMs, clientNonce, serverNonce, transcript } };
}

/** What {@link createAuth} needs beside the credentials. */
export interface AuthRequest {
  /** Number of the request. */
  readonly id: number;
  /** As {@link acceptHello} let it pass. */
  readonly hub: ProvedHub;
  readonly credentials: HubCredentials;
  readonly channelBinding: ChannelBinding;
}

/** Client: the `auth` frame, and who may be believed from then on, and how. */
export function createAuth(request: AuthRequest): Spoken<AuthFrame> & { readonly voice: HubVoice } {
  const { id, hub, credentials, channelBinding } = request;
  const { name, identity, instance, boot, token, isTransient = false } = credentials;
  const transient = isTransient && hub.features.includes(FEATURES.transient);
  const transcript: HubAuthTranscript = {
    role: transient ? 'transient' : 'client',
    channelBindingType: channelBinding.type,
    channelBinding: channelBinding.value,
    hubKey: hub.hubKey,
    serverNonce: hub.serverNonce,
    clientNonce: hub.clientNonce,
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
    instance,
    boot,
    channelBinding: channelBinding.type,
    ...(transient ? { transient } : {}),
    ...(token === undefined ? {} : { token }),
    signature: credentials.sign(hubAuthBytes(transcript)),
  };
  const text = encodeFrame(frame);
  const voice = { hubKey: hub.hubKey, transcript: withAuth(hub.transcript, text) };
  return { frame, text, voice };
}

/** Both: the transcript of a connection from the client's `auth` on. */
export function withAuth(transcript: Uint8Array, authText: string): Uint8Array {
  return transcriptWithAuth(transcript, authText);
}

/** By what a client knows that the hub said something, on this very connection. */
export interface HubVoice {
  readonly hubKey: Uint8Array;
  readonly transcript: Uint8Array;
}

/** Client: whether the hub itself said this. */
export function wasSaidByHub(voice: HubVoice, { frame, text }: Spoken<SignedFrame>): boolean {
  const said = signedPart(text, 'signature');
  if (said === null || frame.signature === undefined) return false;
  return verifyHubSaid({ ...voice, said }, frame.signature);
}

/** Hub: the frame with its signature, for the connection of this transcript. */
export function sayAsHub<F extends SignedFrame>(
  hubKey: HubKeyPair,
  transcript: Uint8Array,
  frame: Omit<F, 'signature'>,
): F {
  const blank = { ...frame, signature: new Uint8Array(64) } as F;
  return { ...blank, signature: hubKey.say(transcript, textToSign(blank)) };
}

/** What the hub knows of a connection that sends `auth`. */
export interface ClientAuthCheck {
  readonly frame: AuthFrame;
  readonly hubKey: Uint8Array;
  /** Of this connection's first frames. */
  readonly clientNonce: Uint8Array;
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
  /** It says itself, signed, that its keys are kept nowhere. */
  readonly isTransient: boolean;
}

/**
 * Hub: verifies `auth`; refuses with BAD_AUTH, or TIMEOUT if it came too late. The caller allows
 * one attempt per connection, so that a nonce is used once, and closes after any refused `auth`
 * (4401), whatever the code.
 */
export function verifyClientAuth(check: ClientAuthCheck): Checked<AuthenticatedClient> {
  const { frame, channelBinding } = check;
  const age = check.nowMs - check.nonceIssuedMs;
  if (!(age >= 0 && age <= PROTOCOL_LIMITS.authenticationMs)) return refused(tooLate());
  if (frame.channelBinding !== channelBinding.type) return badAuth('kind of connection');
  let identity: PublicIdentity;
  try {
    identity = importIdentity(frame.identityKey, frame.exchangeKey);
  } catch (error) {
    return refused(refusalOf(error, 'BAD_AUTH'));
  }
  const { name, instance, boot, transient: isTransient = false } = frame;
  const transcript: HubAuthTranscript = {
    role: isTransient ? 'transient' : 'client',
    channelBindingType: channelBinding.type,
    channelBinding: channelBinding.value,
    hubKey: check.hubKey,
    serverNonce: check.serverNonce,
    clientNonce: check.clientNonce,
    aid: identity.aid,
    name,
    instance,
    boot,
  };
  if (!verifyHubAuth(transcript, frame.signature, identity.signing)) return badAuth('signature');
  return { ok: true, value: { name, identity, instance, boot, isTransient } };
}

/** The refusal of a client that took too long: another try may be faster. */
export function tooLate(): ProtocolError {
  const seconds = PROTOCOL_LIMITS.authenticationMs / 1000;
  return new ProtocolError('TIMEOUT', {
    detail: `authentication took longer than ${seconds} seconds: connect again`,
  });
}

/** The refusal of whoever has not proved that it is the hub. */
export function unproven(detail: string, cause?: unknown): ProtocolError {
  return new ProtocolError('HUB_UNPROVEN', { detail, cause });
}

function greetingOf(connection: {
  readonly begin: Spoken<BeginFrame>;
  readonly hello: { readonly serverNonce: Uint8Array };
  readonly text: string;
  readonly channelBinding: ChannelBinding;
}): HubGreeting {
  const { begin, hello, text, channelBinding } = connection;
  return {
    channelBindingType: channelBinding.type,
    channelBinding: channelBinding.value,
    clientNonce: begin.frame.clientNonce,
    serverNonce: hello.serverNonce,
    begin: begin.text,
    hello: text,
  };
}

function refused(error: ProtocolError): { ok: false; error: ProtocolError } {
  return { ok: false, error };
}

function badAuth(detail: string): { ok: false; error: ProtocolError } {
  return refused(new ProtocolError('BAD_AUTH', { detail }));
}
