import { describe, expect, test } from '@jest/globals';
import { ERROR_CODES, ProtocolError } from './errors.js';
import {
  decodeClientFrame,
  decodeHubFrame,
  encodeFrame,
  errorFrame,
  errorOfFrame,
  parseClientFrame,
  parseHubFrame,
} from './frame-codec.js';
import type { Decoded } from './frame-codec.js';
import type { ClientFrame, SendFrame } from './client-frames.js';
import type { ErrorFrame, HubFrame } from './hub-frames.js';

const send: SendFrame = {
  type: 'send',
  id: 7,
  envelope: {
    id: new Uint8Array(16).fill(1),
    to: new Uint8Array(32).fill(2),
    ttl: 60,
    blob: Uint8Array.of(1, 2, 3),
  },
};
const sendText =
  '{"type":"send","id":7,"envelope":{"id":"AQEBAQEBAQEBAQEBAQEBAQ",' +
  '"to":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI","ttl":60,"blob":"AQID"}}';

describe('encodeFrame', () => {
  test('writes binary as base64url and no newline', () => {
    expect(encodeFrame(send)).toBe(sendText);
  });

  test('writes the same text whatever the order of the fields', () => {
    const { id, to, ttl, blob } = send.envelope;
    expect(encodeFrame({ envelope: { blob, ttl, to, id }, id: 7, type: 'send' })).toBe(sendText);
  });

  test('leaves out optional fields that are undefined', () => {
    expect(encodeFrame({ type: 'list', id: 1, prefix: undefined, cursor: undefined })).toBe(
      '{"type":"list","id":1}',
    );
  });

  test.each<[string, unknown, string]>([
    ['an unknown field', { ...send, extra: 1 }, 'BAD_FRAME'],
    ['a number out of range', { ...send, id: -1 }, 'BAD_FRAME'],
    ['an id that is too short', wrongId(15), 'BAD_FRAME'],
    [
      'text where bytes belong',
      { ...send, envelope: { ...send.envelope, blob: 'AQID' } },
      'BAD_FRAME',
    ],
    [
      'a blob that is too long',
      { ...send, envelope: { ...send.envelope, blob: new Uint8Array(1_048_577) } },
      'TOO_LARGE',
    ],
    [
      'an empty blob',
      { ...send, envelope: { ...send.envelope, blob: new Uint8Array(0) } },
      'BAD_FRAME',
    ],
    ['an auth_ok without fields', { type: 'auth_ok' }, 'BAD_FRAME'],
    ['an unknown type', { type: 'hack' }, 'UNKNOWN_TYPE'],
    ['no type', {}, 'BAD_FRAME'],
    ['nothing', undefined, 'BAD_FRAME'],
  ])('throws a typed error for %s', (_, frame, code) => {
    expect(() => encodeFrame(frame as ClientFrame)).toThrow(expect.objectContaining({ code }));
  });
});

function wrongId(length: number): unknown {
  return { ...send, envelope: { ...send.envelope, id: new Uint8Array(length) } };
}

describe('decoding', () => {
  test('gives bytes, not texts', () => {
    expect(parseClientFrame(sendText)).toEqual({ ok: true, frame: send });
  });

  test('takes white space between tokens and any order of fields', () => {
    expect(parseClientFrame('{ "id": 5,\t"type": "ping" }')).toEqual({
      ok: true,
      frame: { type: 'ping', id: 5 },
    });
  });

  test('keeps the number of a refused request, so that it can be answered', () => {
    expect(decodeClientFrame({ type: 'ping', id: 9, x: 1 })).toMatchObject({ ok: false, id: 9 });
    expect(decodeClientFrame({ type: 'hack', id: 0 })).toMatchObject({ ok: false, id: 0 });
    expect(decodeHubFrame({ type: 'sent', re: 3 })).toMatchObject({ ok: false, id: 3 });
  });

  test.each([-1, 1.5, 4_294_967_296, '1', null, undefined])(
    'does not take %j for the number of a request',
    (id) => {
      expect('id' in decodeClientFrame({ type: 'hack', id })).toBe(false);
    },
  );

  test('takes a number of the value itself only', () => {
    expect('id' in decodeClientFrame(Object.create({ id: 1 }))).toBe(false);
  });

  test('says where the fault is and nothing of what was sent', () => {
    const decoded = parseClientFrame(
      '{"type":"send","id":1,"envelope":{"hunter2":"hunter3"},"hunter4":5}',
    );
    const said = decoded.ok ? '' : decoded.error.message;
    expect(decoded).toMatchObject({ ok: false, error: { code: 'BAD_FRAME' } });
    expect(said).toContain('(frame.envelope.id)');
    expect(said + JSON.stringify(decoded)).not.toContain('hunter');
  });

  test('says which side may not send a type', () => {
    expect(parseHubFrame(sendText)).toMatchObject({ ok: false, error: { code: 'UNKNOWN_TYPE' } });
    expect(parseClientFrame('{"type":"pong","re":1}')).toMatchObject({
      ok: false,
      error: { code: 'UNKNOWN_TYPE' },
    });
  });

  test('takes a text of the given length and refuses one character more', () => {
    const text = '{"type":"ping","id":1}';
    expect(parseClientFrame(text, text.length).ok).toBe(true);
    expect(parseClientFrame(text, text.length - 1)).toMatchObject({
      ok: false,
      error: { code: 'BAD_JSON' },
    });
    expect(parseHubFrame('{"type":"pong","re":1}', 21).ok).toBe(false);
  });

  test('gives bytes that are nobody else’s', () => {
    const text = '{"type":"notice","id":"AQEBAQEBAQEBAQEBAQEBAQ","what":"expired"}';
    const idOf = (decoded: Decoded<HubFrame>): Uint8Array =>
      decoded.ok && decoded.frame.type === 'notice' ? decoded.frame.id : new Uint8Array();
    const [first, second] = [idOf(parseHubFrame(text)), idOf(parseHubFrame(text))];
    expect(first).toEqual(new Uint8Array(16).fill(1));
    first.fill(0);
    expect(second).toEqual(new Uint8Array(16).fill(1));
  });
});

describe('error frames', () => {
  const through = (error: ProtocolError, re?: number): ProtocolError => {
    const decoded = parseHubFrame(encodeFrame(errorFrame(error, re)));
    return errorOfFrame((decoded as { frame: ErrorFrame }).frame);
  };

  test('carry every code of the table to the other side', () => {
    for (const code of Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]) {
      const sent = new ProtocolError(code, { detail: 'field', retryAfterMs: 1_500 });
      expect(through(sent)).toMatchObject({
        code,
        message: sent.message,
        retryable: sent.retryable,
        retryAfterMs: 1_500,
      });
    }
  });

  test('repeat the number of the request, if there was one', () => {
    expect(errorFrame(new ProtocolError('LIMIT'), 0)).toMatchObject({ re: 0 });
    expect('re' in errorFrame(new ProtocolError('LIMIT'))).toBe(false);
  });

  test('are cut to one printable line and a wait of a day', () => {
    const error = new ProtocolError('STORAGE', {
      message: `bad\n\u001b[31m ü ${'x'.repeat(400)}`,
      retryAfterMs: 1e12,
    });
    expect(errorFrame(error)).toMatchObject({ retryAfter: 86_400_000 });
    expect(errorFrame(error).message).toMatch(/^bad\?\?\[31m \? x+$/);
    expect(errorFrame(error).message).toHaveLength(300);
    expect(errorFrame(new ProtocolError('STORAGE', { retryAfterMs: -0.5 }))).toMatchObject({
      retryAfter: 0,
    });
  });

  test('of a newer hub become INTERNAL and keep the code in the text', () => {
    const frame: HubFrame = { type: 'error', code: 'STALE_EPOCH', message: 'x' };
    expect(errorOfFrame(frame)).toMatchObject({ code: 'INTERNAL', retryable: true });
    expect(errorOfFrame(frame).message).toContain('STALE_EPOCH');
  });

  test('and goodbyes mean the same codes', () => {
    expect(errorOfFrame({ type: 'bye', code: 'DISPLACED' })).toMatchObject({
      code: 'DISPLACED',
      retryable: false,
      message: ERROR_CODES.DISPLACED.message,
    });
  });
});
