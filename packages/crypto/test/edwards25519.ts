/**
 * Arithmetic on edwards25519 with big integers (RFC 8032 §5.1): slow, lax and independent of any
 * library. It makes bad points for tests and shows what a laxer verifier would have accepted.
 */
import { createHash } from 'node:crypto';

export const P = 2n ** 255n - 19n;
/** Order of the main subgroup. */
export const L = 2n ** 252n + 27742317777372353535851937790883648493n;

export interface Point {
  readonly x: bigint;
  readonly y: bigint;
}

const mod = (a: bigint) => ((a % P) + P) % P;

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let e = exponent, b = mod(base); e > 0n; e >>= 1n, b = mod(b * b)) {
    if ((e & 1n) === 1n) result = mod(result * b);
  }
  return result;
}

const inverse = (a: bigint) => power(a, P - 2n);
const D = mod(-121665n * inverse(121666n));
export const ZERO: Point = { x: 0n, y: 1n };

export const littleEndian = (bytes: Uint8Array): bigint =>
  BigInt(`0x0${Buffer.from(bytes.toReversed()).toString('hex')}`);

/** 32 bytes of a number below 2^256. */
export function toBytes(value: bigint): Uint8Array {
  return new Uint8Array(Buffer.from(value.toString(16).padStart(64, '0'), 'hex')).toReversed();
}

export function encodePoint({ x, y }: Point): Uint8Array {
  return toBytes(y | ((x & 1n) << 255n));
}

/** Any encoding of a point, canonical or not; null when it is not on the curve. */
export function decodePoint(bytes: Uint8Array): Point | null {
  const value = littleEndian(bytes);
  const sign = value >> 255n;
  const y = mod(value & (2n ** 255n - 1n));
  const xx = mod((y * y - 1n) * inverse(mod(D * y * y + 1n)));
  let x = power(xx, (P + 3n) / 8n);
  if (mod(x * x) !== xx) x = mod(x * power(2n, (P - 1n) / 4n));
  if (mod(x * x) !== xx) return null;
  return { x: (x & 1n) === sign ? x : mod(-x), y };
}

/** x = X/Z, y = Y/Z: one division at the end instead of one for each addition. */
type Projective = readonly [X: bigint, Y: bigint, Z: bigint];

function addProjective([x1, y1, z1]: Projective, [x2, y2, z2]: Projective): Projective {
  const a = mod(z1 * z2);
  const [c, d] = [mod(x1 * x2), mod(y1 * y2)];
  const e = mod(D * c * d);
  const [f, g] = [mod(a * a - e), mod(a * a + e)];
  const x = mod(a * f * ((x1 + y1) * (x2 + y2) - c - d));
  return [x, mod(a * g * (d + c)), mod(f * g)];
}

const affine = ([x, y, z]: Projective): Point => ({
  x: mod(x * inverse(z)),
  y: mod(y * inverse(z)),
});

export function add(a: Point, b: Point): Point {
  return affine(addProjective([a.x, a.y, 1n], [b.x, b.y, 1n]));
}

export function multiply(scalar: bigint, { x, y }: Point): Point {
  let result: Projective = [0n, 1n, 1n];
  for (let s = scalar, p: Projective = [x, y, 1n]; s > 0n; s >>= 1n, p = addProjective(p, p)) {
    if ((s & 1n) === 1n) result = addProjective(result, p);
  }
  return affine(result);
}

const samePoint = (a: Point, b: Point) => a.x === b.x && a.y === b.y;

export function orderOf(point: Point): '1' | '2' | '4' | '8' | 'L' | '8L' {
  for (const order of ['1', '2', '4', '8'] as const) {
    if (samePoint(multiply(BigInt(order), point), ZERO)) return order;
  }
  return samePoint(multiply(L, point), ZERO) ? 'L' : '8L';
}

function pointOf(bytes: Uint8Array): Point {
  const point = decodePoint(bytes);
  if (point === null) throw new TypeError('not a point');
  return point;
}

/** The base point. */
const B = pointOf(Buffer.from(`58${'66'.repeat(31)}`, 'hex'));

/** The eight points of small order: multiples of one of order 8. */
const generator = pointOf(
  Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa', 'hex'),
);
export const SMALL_ORDER: readonly Point[] = Array.from({ length: 8 }, (_, i) =>
  multiply(BigInt(i), generator),
);

/** What the two verification equations say of a signature, checking nothing else. */
export function laxVerify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) {
  const rBytes = signature.subarray(0, 32);
  const hash = createHash('sha512').update(rBytes).update(publicKey).update(message).digest();
  const [a, r] = [pointOf(publicKey), pointOf(rBytes)];
  const left = multiply(littleEndian(signature.subarray(32)), B);
  const right = add(r, multiply(littleEndian(hash) % L, a));
  return {
    orderOfA: orderOf(a),
    orderOfR: orderOf(r),
    sBelowL: littleEndian(signature.subarray(32)) < L,
    canonical: [publicKey, rBytes].every((bytes) => isCanonical(bytes)),
    cofactorless: samePoint(left, right),
    cofactored: samePoint(multiply(8n, left), multiply(8n, right)),
  };
}

/** Whether an encoding is the one that encoding its point gives. */
export function isCanonical(bytes: Uint8Array): boolean {
  return Buffer.compare(encodePoint(pointOf(bytes)), bytes) === 0;
}
