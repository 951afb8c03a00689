/**
 * Who wrote what to whom (protocol.md §2.7), shown with bytes that another program wrote; and that
 * nothing else passes.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { addressOf, fromHex, ready, verifyAuthorship } from '../src/index.js';
import type { SignedContent } from '../src/index.js';

const FILE = new URL('../vectors/evidence.json', import.meta.url);
const { messages } = JSON.parse(readFileSync(FILE, 'utf8')) as {
  readonly messages: readonly (Record<keyof SignedContent, string> & {
    readonly sender: string;
    readonly recipient: string;
  })[];
};
const FIELDS = ['signing', 'dh', 'associatedData', 'content', 'signature'] as const;
const signedOf = (vector: Record<keyof SignedContent, string>): SignedContent => ({
  signing: fromHex(vector.signing),
  dh: fromHex(vector.dh),
  associatedData: fromHex(vector.associatedData),
  content: fromHex(vector.content),
  signature: fromHex(vector.signature),
});
const [first, second] = messages.map(signedOf) as [SignedContent, SignedContent];

beforeAll(ready);

const codeOf = (signed: SignedContent): string => {
  try {
    verifyAuthorship(signed);
    return 'proved';
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test.each(messages)('a signed content from $sender is read as published', (vector) => {
  const { sender, recipient } = verifyAuthorship(signedOf(vector));
  expect([addressOf(sender.aid), addressOf(recipient)]).toEqual([vector.sender, vector.recipient]);
});

describe('T-E1 forged evidence', () => {
  test.each(FIELDS)('any changed bit of %s is refused', (field) => {
    for (const signed of [first, second]) {
      for (let at = 0; at < signed[field].length; at++) {
        const bytes = signed[field].slice();
        bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
        expect(codeOf({ ...signed, [field]: bytes })).not.toBe('proved');
      }
    }
  });

  test.each(FIELDS)('%s cut by any number of bytes, or longer, is refused', (field) => {
    for (let length = 0; length < second[field].length; length++) {
      expect(codeOf({ ...second, [field]: second[field].slice(0, length) })).not.toBe('proved');
    }
    const longer = new Uint8Array(second[field].length + 1);
    longer.set(second[field]);
    expect(codeOf({ ...second, [field]: longer })).not.toBe('proved');
  });

  test('a part of another message, or its other side, is refused', () => {
    for (const field of FIELDS) {
      expect(codeOf({ ...first, [field]: second[field] })).not.toBe('proved');
    }
    const { signing, dh } = second;
    expect(codeOf({ ...first, signing, dh })).toBe('SENDER_MISMATCH');
    expect(codeOf({ ...first, content: second.content })).toBe('BAD_SIGNATURE');
    expect(codeOf({ ...first, signature: second.signature })).toBe('BAD_SIGNATURE');
  });
});
