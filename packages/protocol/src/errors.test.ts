import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { AgentMeshError } from '@agentmesh/crypto/verify';
import { CLOSE_CODES, ERROR_CODES, isErrorCode, peerNotFound, ProtocolError } from './errors.js';

describe('ProtocolError', () => {
  test('is an AgentMeshError with the code, text and flag of the table', () => {
    const error = new ProtocolError('QUEUE_FULL');
    expect(error).toBeInstanceOf(AgentMeshError);
    expect(error).toMatchObject({
      name: 'ProtocolError',
      code: 'QUEUE_FULL',
      retryable: true,
      message: ERROR_CODES.QUEUE_FULL.message,
    });
    expect('retryAfterMs' in error).toBe(false);
  });

  test('appends a detail, keeps the cause and the time to wait', () => {
    const cause = new TypeError('inner');
    const error = new ProtocolError('RATE_LIMITED', { detail: 'send', retryAfterMs: 250, cause });
    expect(error.message).toBe(`${ERROR_CODES.RATE_LIMITED.message} (send)`);
    expect(error).toMatchObject({ retryAfterMs: 250, cause });
    expect(inspect(error)).toContain('RATE_LIMITED');
  });

  test('says that a peer is not there in the documented words', () => {
    expect(peerNotFound('bob')).toMatchObject({
      code: 'PEER_NOT_FOUND',
      retryable: false,
      message: "Peer 'bob' not found on hub",
    });
  });
});

describe('table of codes', () => {
  const rules = Object.entries(ERROR_CODES);

  test.each(rules)('%s has a text of its own that fits in a frame', (code, rule) => {
    expect(code).toMatch(/^[A-Z][A-Z_]+$/);
    expect(rule.message).toMatch(/^[A-Z][\x20-\x7e]{8,120}$/);
    expect(rules.filter(([, other]) => other.message === rule.message)).toHaveLength(1);
  });

  test('lists as retryable only what can pass without the caller changing anything', () => {
    const retryable = rules.filter(([, rule]) => rule.retryable).map(([code]) => code);
    expect(retryable).toEqual([
      'HUB_UNPROVEN',
      'QUEUE_FULL',
      'RATE_LIMITED',
      'STORAGE',
      'IN_USE',
      'IDLE',
      'FLOOD',
      'SHUTTING_DOWN',
      'CONNECTION_LOST',
      'TIMEOUT',
      'INTERNAL',
    ]);
  });

  test('closes with the codes of hub.md §2', () => {
    expect(CLOSE_CODES).toEqual({
      protocol: 4400,
      authentication: 4401,
      idle: 4408,
      displaced: 4409,
      flood: 4429,
    });
    expect(rules.flatMap(([code, { closes }]) => (closes ? [`${code} ${closes}`] : []))).toEqual([
      'BAD_AUTH authentication',
      'NAME_TAKEN authentication',
      'REGISTRATION_REFUSED authentication',
      'REVOKED authentication',
      'DISPLACED displaced',
      'IN_USE authentication',
      'IDLE idle',
      'FLOOD flood',
    ]);
  });

  test('has no inherited codes', () => {
    expect(isErrorCode('LIMIT')).toBe(true);
    expect(['toString', '__proto__', 'limit', ''].some(isErrorCode)).toBe(false);
  });
});
