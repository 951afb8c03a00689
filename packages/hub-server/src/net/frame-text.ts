/**
 * Text of the frames that a hub sends. Owns a short way for the three that make up nearly all
 * traffic; it gives exactly what protocol's `encodeFrame` gives, which serves all others.
 */
import { encodeFrame } from '@agentmesh/protocol';
import type { HubFrame } from '@agentmesh/protocol';

/** One line, without its newline. The frame comes from the hub's own core and is not judged. */
export function frameText(frame: HubFrame): string {
  switch (frame.type) {
    case 'sent':
      return `{"type":"sent","re":${frame.re},"seq":${frame.seq},"duplicate":${frame.duplicate}}`;
    case 'pong':
      return `{"type":"pong","re":${frame.re}}`;
    case 'deliver': {
      const { seq, attempt, envelope } = frame;
      const { v, id, from, to, ts, blob } = envelope;
      return (
        `{"type":"deliver","seq":${seq},"attempt":${attempt},"envelope":{"v":${v},` +
        `"id":"${textOf(id)}","from":"${textOf(from)}","to":"${textOf(to)}","ts":${ts},` +
        `"blob":"${textOf(blob)}"}}`
      );
    }
    default:
      return encodeFrame(frame);
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
