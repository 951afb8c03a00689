/**
 * What every store-and-forward server looks like to the hub benches: lanes, each from one sender to
 * one receiver over connections of their own. Owns the contract, and the load that is put on it.
 */
import { confirm } from '../harness/bench-error.js';

/** One sender and one receiver. */
export interface Lane {
  /** Sends; `accepted` is called when the server has taken responsibility. */
  send(blob: Buffer, accepted: () => void): void;
  /** Called for each message that arrived; the lane acknowledges it by itself. */
  onDelivery: (blob: Buffer) => void;
}

/** A connected server. */
export interface Broker {
  readonly lanes: readonly Lane[];
  /** Resolves when everything acknowledged so far has been told to the server. */
  close(): Promise<void>;
}

/** Sent and not yet accepted, per lane: the same for everybody. */
const WINDOW = 256;
/** Sent and not yet delivered, per lane: nobody is measured while queues only grow. */
const BACKLOG = 1_024;

/** A message that says which it is; the rest is filling. */
function numberedBlob(number: number, bytes: number): Buffer {
  const blob = Buffer.alloc(bytes, number & 0xff);
  blob.writeUInt32BE(number);
  return blob;
}

/**
 * Sends `count` messages down each lane, at most {@link WINDOW} unaccepted, and waits until all are
 * accepted and delivered. Checks that each lane got its messages once, in order, unchanged. Gives
 * messages per second over all lanes.
 */
export async function pump(
  lanes: readonly Lane[],
  { count, bytes }: { readonly count: number; readonly bytes: number },
): Promise<number> {
  const startMs = performance.now();
  await Promise.all(lanes.map((lane) => pumpLane(lane, count, bytes)));
  return (lanes.length * count * 1000) / (performance.now() - startMs);
}

function pumpLane(lane: Lane, count: number, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let [sent, accepted, delivered] = [0, 0, 0];
    const fill = (): void => {
      while (sent < count && sent - accepted < WINDOW && sent - delivered < BACKLOG) {
        lane.send(numberedBlob(sent, bytes), onAccepted);
        sent += 1;
      }
    };
    const onAccepted = (): void => {
      accepted += 1;
      if (accepted === count && delivered === count) resolve();
      else fill();
    };
    lane.onDelivery = (blob) => {
      try {
        confirm(blob.readUInt32BE(0) === delivered, `message ${delivered} comes in its turn`);
        confirm(blob.length === bytes && blob.at(-1) === (delivered & 0xff), 'it is whole');
      } catch (error) {
        return reject(error instanceof Error ? error : new TypeError(String(error)));
      }
      delivered += 1;
      if (accepted === count && delivered === count) resolve();
      else fill();
    };
    fill();
  });
}

/**
 * Sends `count` messages when they are due, from one lane after the other, whatever has become of
 * the earlier ones. Gives the time of each from sending to delivery, in ms.
 */
export function paced(
  lanes: readonly Lane[],
  load: { readonly count: number; readonly perSecond: number; readonly bytes: number },
): Promise<number[]> {
  const { count, perSecond, bytes } = load;
  const delays: number[] = [];
  const startMs = performance.now();
  return new Promise((resolve) => {
    for (const lane of lanes) {
      lane.onDelivery = (blob) => {
        delays.push(performance.now() - blob.readDoubleBE(0));
        if (delays.length === count) resolve(delays);
      };
    }
    let sent = 0;
    const timer = setInterval(() => {
      const due = Math.min(count, ((performance.now() - startMs) * perSecond) / 1000);
      for (; sent < due; sent++) {
        const blob = Buffer.alloc(bytes);
        blob.writeDoubleBE(performance.now());
        lanes[sent % lanes.length]?.send(blob, () => undefined);
      }
      if (sent >= count) clearInterval(timer);
    }, 1);
  });
}
