/**
 * Addresses of other ends: what is this machine, and what counts as one source of connections.
 * Owns the arithmetic of IP addresses; what a source may do is decided where it is counted.
 */
import { isIP, isIPv4, isIPv6 } from 'node:net';

const MAPPED = '::ffff:';
/** Groups of an IPv6 address that a network gives to one customer: 64 bits. */
const CUSTOMER_GROUPS = 4;
const GROUPS = 8;

/** An IPv4 address that came through an IPv6 socket, in its own form. */
export function plainAddress(address: string): string {
  const lower = address.toLowerCase();
  const inner = lower.startsWith(MAPPED) ? lower.slice(MAPPED.length) : '';
  return isIPv4(inner) ? inner : address;
}

/** Whether the other end is on this machine. */
export function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

/**
 * Whose connections are counted together: an IPv4 address alone, or the 64 bits of an IPv6 address
 * that belong to one customer, who has 2^64 addresses in them.
 */
export function sourceOf(address: string): string {
  const plain = plainAddress(address).replace(/%.*$/, '');
  if (!isIPv6(plain)) return plain;
  return `${groupsOf(plain).slice(0, CUSTOMER_GROUPS).join(':')}::/64`;
}

/** The address in an entry of `X-Forwarded-For`, which may carry a port; null for anything else. */
export function forwardedAddress(entry: string): string | null {
  const trimmed = entry.trim();
  const bracketed = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(trimmed)?.[1];
  const withPort = /^([\d.]+):\d{1,5}$/.exec(trimmed)?.[1];
  const address = bracketed ?? withPort ?? trimmed;
  return isIP(address) === 0 ? null : plainAddress(address);
}

/** All eight groups, without leading zeros. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = withoutDots(address).split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: GROUPS - first.length - last.length }, () => '0');
  return [...first, ...zeros, ...last].map((group) => Number.parseInt(group, 16).toString(16));
}

/** The last 32 bits may be written as an IPv4 address. */
function withoutDots(address: string): string {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (dotted === null) return address;
  const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(1).map(Number);
  const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  return address.slice(0, dotted.index) + hex;
}
