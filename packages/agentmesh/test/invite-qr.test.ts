import { encodeInvite } from '@agentmesh/protocol';
import { expect, test } from '@jest/globals';
import jsQr from 'jsqr';
import { inviteQr } from '../src/invite-qr.js';

/** Two rows of modules for each line of half blocks. */
function modulesOf(qr: string): boolean[][] {
  const halves: Readonly<Record<string, readonly [boolean, boolean]>> = {
    '█': [true, true],
    '▀': [true, false],
    '▄': [false, true],
    ' ': [false, false],
  };
  return qr.split('\n').flatMap((line) => {
    const pairs = Array.from(line, (character) => halves[character] ?? [false, false]);
    return [pairs.map(([upper]) => upper), pairs.map(([, lower]) => lower)];
  });
}

/** What a camera would see: four pixels for each module, light where a block is drawn. */
function read(modules: boolean[][]): string | null {
  const scale = 4;
  const width = (modules[0]?.length ?? 0) * scale;
  const pixels = new Uint8ClampedArray(width * modules.length * scale * 4);
  modules.forEach((row, y) =>
    row.forEach((isLight, x) => {
      for (let n = 0; n < scale * scale; n++) {
        const at = ((y * scale + Math.floor(n / scale)) * width + x * scale + (n % scale)) * 4;
        pixels.fill(isLight ? 255 : 0, at, at + 3);
        pixels[at + 3] = 255;
      }
    }),
  );
  return jsQr.default(pixels, width, modules.length * scale)?.data ?? null;
}

test('a camera reads the link back', async () => {
  const link = encodeInvite({
    hubs: ['tcps://hub.example:7700'],
    hubKey: new Uint8Array(32).fill(1),
    aid: new Uint8Array(32).fill(2),
    name: 'bob',
    expiresMs: 1_800_000_000_000,
    secret: new Uint8Array(16).fill(3),
    token: null,
  });
  expect(read(modulesOf(await inviteQr(link)))).toBe(link);
});

test('what is no invite is refused', async () => {
  await expect(inviteQr('hello')).rejects.toMatchObject({ code: 'BAD_INVITE' });
});
