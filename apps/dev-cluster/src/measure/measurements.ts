/**
 * What is measured: one function for each figure of docs/clustering.md. Owns the traffic; each
 * measurement waits until everything that it sent has arrived, or fails.
 */
import { Agent, NetworkHub } from 'agentmesh';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { HOST } from '../plan.js';
import { Member } from './member.js';
import { storedBytes } from './store-size.js';
import {
  arrivals,
  atOf,
  closeAll,
  hubsOf,
  inBytes,
  metricOf,
  percentiles,
  queuesAreEmpty,
  sendAll,
  withinTime,
} from './traffic.js';
import type { Measured } from './traffic.js';

const LANES = 40;
const MESSAGES = 250;
const IN_TURN = 300;
const STORED = 500;
const REGISTERED = 20;
const CONNECTED = 400;
const SMALL = 256;
/** Long enough for every lost connection to be noticed. */
const SETTLE_MS = 1_000;

/** Accepted, delivered and acknowledged, by pairs of agents that are spread over so many hubs. */
export async function throughput(
  measured: Measured,
  { hubs, bytes }: { hubs: number; bytes: number },
): Promise<string> {
  const places = hubsOf(measured).slice(0, hubs);
  const senders = Array.from({ length: LANES }, () => new Member());
  const receivers = Array.from({ length: LANES }, () => new Member());
  await Promise.all(senders.map((member, at) => member.connect(atOf(places, at))));
  await Promise.all(receivers.map((member, at) => member.connect(atOf(places, at + 1))));
  const blob = new Uint8Array(bytes);
  const all = arrivals(receivers, LANES * MESSAGES);
  const startedMs = performance.now();
  await Promise.all(
    senders.map((member, at) =>
      sendAll(member, { to: atOf(receivers, at), blob, count: MESSAGES }),
    ),
  );
  await all;
  const seconds = (performance.now() - startedMs) / 1_000;
  await closeAll(places);
  return `${Math.round((LANES * MESSAGES) / seconds)}/s`;
}

/** One message at a time from an agent on one hub to an agent on another. */
export async function latency(measured: Measured): Promise<string> {
  const places = hubsOf(measured);
  const [from, to] = [new Member(), new Member()];
  await from.connect(atOf(places, 0));
  await to.connect(atOf(places, 1));
  const accepted: number[] = [];
  const delivered: number[] = [];
  const blob = new Uint8Array(SMALL);
  for (let at = 0; at < IN_TURN; at++) {
    const startedMs = performance.now();
    const arrived = arrivals([to], 1).then(() => delivered.push(performance.now() - startedMs));
    await from.send(to, blob);
    accepted.push(performance.now() - startedMs);
    await arrived;
  }
  await closeAll(places);
  return `${percentiles(accepted)}; ${percentiles(delivered)}`;
}

/** What stays of an envelope that was delivered: its id, against repetitions. */
export async function rememberedId(measured: Measured): Promise<string> {
  const places = hubsOf(measured);
  const [from, to] = [new Member(), new Member()];
  await to.connect(atOf(places, 0));
  await from.connect(atOf(places, 0));
  await queuesAreEmpty(measured.plan);
  const before = await storedBytes(measured.plan.nodes);
  const all = arrivals([to], STORED);
  await Promise.all(Array.from({ length: STORED }, () => from.send(to, new Uint8Array(SMALL))));
  await all;
  await queuesAreEmpty(measured.plan);
  const each = ((await storedBytes(measured.plan.nodes)) - before) / STORED;
  await closeAll(places);
  return inBytes(each);
}

/** An envelope of an agent that is offline, its id included. */
export async function waitingEnvelope(measured: Measured, bytes: number): Promise<string> {
  const places = hubsOf(measured);
  const [from, to] = [new Member(), new Member()];
  await to.connect(atOf(places, 0));
  await to.disconnect();
  await from.connect(atOf(places, 0));
  const before = await storedBytes(measured.plan.nodes);
  const blob = new Uint8Array(bytes);
  await Promise.all(Array.from({ length: STORED }, () => from.send(to, blob)));
  const each = ((await storedBytes(measured.plan.nodes)) - before) / STORED;
  await closeAll(places);
  return inBytes(each);
}

/** An agent with its records and all prekeys that it keeps at its hub. */
export async function registeredAgent(measured: Measured): Promise<string> {
  const places = hubsOf(measured);
  const before = await storedBytes(measured.plan.nodes);
  for (let at = 0; at < REGISTERED; at++) {
    const agent = await Agent.create(`stored-${at}`, { hub: atOf(places, at), logLevel: 'silent' });
    await agent.close();
  }
  const each = ((await storedBytes(measured.plan.nodes)) - before) / REGISTERED;
  await closeAll(places);
  return inBytes(each);
}

/** What the process of a hub grows by for a connection over TLS on which nothing is said. */
export async function idleConnection(measured: Measured): Promise<string> {
  const [hub] = measured.plan.hubs;
  if (hub === undefined) return inBytes(0);
  const resident = (): Promise<number> => metricOf(hub, 'process_resident_memory_bytes');
  const places = hubsOf(measured);
  const members = Array.from({ length: CONNECTED }, () => new Member());
  const before = await resident();
  await Promise.all(members.map((member) => member.connect(atOf(places, 0))));
  const each = ((await resident()) - before) / CONNECTED;
  await closeAll(places);
  return inBytes(each);
}

/** The time after which all agents of a killed hub are connected again. */
export async function recovery(measured: Measured, kill: () => void): Promise<string> {
  const { plan, hubKey } = measured;
  const hosts = plan.hubs.map(({ port }) => `${HOST}:${port}`);
  const hub = new NetworkHub({ hosts, hubKey, connectTimeoutMs: 60_000 });
  const members = Array.from({ length: CONNECTED }, () => new Member());
  await Promise.all(members.map((member) => member.connect(hub)));
  const away = new Set<Member>();
  let lost = 0;
  let restoredMs = 0;
  for (const member of members) {
    member.onLost = () => {
      lost += 1;
      away.add(member);
    };
    member.onRestored = () => {
      away.delete(member);
      restoredMs = performance.now();
    };
  }
  const allAreBack = async (): Promise<void> => {
    do await pause(SETTLE_MS);
    while (away.size > 0);
  };
  const startedMs = performance.now();
  kill();
  await withinTime(allAreBack());
  await hub.close();
  return `${((restoredMs - startedMs) / 1_000).toFixed(1)} s for ${lost}`;
}
