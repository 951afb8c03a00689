import { expect, test } from '@jest/globals';
import { endpointFrom } from './endpoint.js';

test('nothing set, empty values and a lone key mean the local server', () => {
  expect(endpointFrom({})).toBeNull();
  expect(endpointFrom({ OPENAI_BASE_URL: '', OPENAI_MODEL: '' })).toBeNull();
  expect(endpointFrom({ OPENAI_API_KEY: 'k' })).toBeNull();
});

test('an endpoint and a model are enough; the key is optional', () => {
  const env = { OPENAI_BASE_URL: 'http://127.0.0.1:11434/v1', OPENAI_MODEL: 'm' };
  expect(endpointFrom(env)).toEqual({
    baseUrl: 'http://127.0.0.1:11434/v1',
    apiKey: 'none',
    model: 'm',
  });
});

test('a key and a model use the default endpoint of the client', () => {
  expect(endpointFrom({ OPENAI_API_KEY: 'k', OPENAI_MODEL: 'm' })).toEqual({
    baseUrl: undefined,
    apiKey: 'k',
    model: 'm',
  });
});

test.each([
  [{ OPENAI_BASE_URL: 'http://127.0.0.1/v1' }, 'OPENAI_MODEL'],
  [{ OPENAI_MODEL: 'm' }, 'OPENAI_BASE_URL or OPENAI_API_KEY'],
  [{ OPENAI_BASE_URL: 'localhost:80', OPENAI_MODEL: 'm' }, 'http'],
  [{ OPENAI_BASE_URL: 'nonsense', OPENAI_MODEL: 'm' }, 'http'],
])('%j is an error that says what is missing', (env, what) => {
  expect(() => endpointFrom(env)).toThrow(what);
});
