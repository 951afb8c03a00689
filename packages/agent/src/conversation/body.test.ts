import { CONTENT_KIND } from '@agentmesh/crypto';
import { expect, test } from '@jest/globals';
import { readBody } from './body.js';
import { encodeOutcomes } from './outcome.js';

test('T-D1 raw reasons: what a peer gives as a reason comes in visible', () => {
  const msgId = new Uint8Array(16);
  const body = encodeOutcomes([{ msgId, state: 'refused', reason: 'no\u001b[2J\n\u202eok' }]);
  expect(readBody({ kind: CONTENT_KIND.outcome, body })).toEqual({
    kind: 'outcome',
    outcomes: [{ msgId, state: 'refused', reason: 'no\\u001b[2J\\u000a\\u202eok' }],
  });
});
