/**
 * What a hub client takes from the machine it runs on: clock, randomness, timers and transports.
 * Owns the interface and its default; everything else in this package is handed a `ClientHost`.
 */
import { openTcp } from '#tcp';
import { openWebSocket } from '#websocket';
import { systemClock, systemRandom } from '@agentmesh/protocol';
import type { Clock, RandomSource } from '@agentmesh/protocol';
import type { OpenTransport } from './transport.js';

/** Handed in, so that tests can hold time and cut connections. */
export interface ClientHost {
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Runs a task once; the returned function calls it off. */
  after(delayMs: number, task: () => void): () => void;
  readonly open: OpenTransport;
}

/** The machine itself. */
export const systemHost: ClientHost = {
  clock: systemClock,
  random: systemRandom,
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  open: async (address, events, limits) =>
    address.transport === 'tcp'
      ? openTcp(address, events, limits)
      : openWebSocket(address, events, limits),
};
