/**
 * Streams as they are made once. Owns that and nothing after it: their settings belong to the
 * operator from then on.
 */
import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import { apiCodeOf } from './jetstream-error.js';
import { streamSettings } from './layout.js';
import type { StreamPlan } from './layout.js';

const STREAM_EXISTS = 10_058;
const NO_STREAM = 10_059;

/** Makes a stream, or finds it. Returns whether it passes on what it stores, as planned. */
export async function madeStream(
  manager: JetStreamManager,
  plan: StreamPlan,
  replicas: number,
): Promise<boolean> {
  const known = await infoOf(manager, plan.name);
  if (known !== null) return passesOn(known, plan);
  const made = await manager.streams
    .add(streamSettings(plan, replicas))
    .catch((thrown: unknown) => {
      // Another hub made it, with other settings.
      if (apiCodeOf(thrown) !== STREAM_EXISTS) throw thrown;
      return infoOf(manager, plan.name);
    });
  return made !== null && passesOn(made, plan);
}

/** Null if there is no such stream. */
function infoOf(manager: JetStreamManager, name: string): Promise<StreamInfo | null> {
  return manager.streams.info(name).catch((thrown: unknown) => {
    if (apiCodeOf(thrown) === NO_STREAM) return null;
    throw thrown;
  });
}

function passesOn({ config }: StreamInfo, { republish }: StreamPlan): boolean {
  return republish !== undefined && config.republish?.dest === republish.dest;
}
