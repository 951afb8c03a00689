/**
 * Loaded before the program of a child: its clock is wrong by as much as its parent says, from the
 * beginning and at any later time. Owns the wall clock of that process; timers go on as they are.
 */
import process from 'node:process';

const { now } = Date;
let aheadMs = Number(process.env['CHAOS_CLOCK_MS'] ?? '0');

Date.now = () => now() + aheadMs;

process.on('message', ({ clockMs }: { readonly clockMs: number }) => {
  aheadMs = clockMs;
});
process.channel?.unref();
