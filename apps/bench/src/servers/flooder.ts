/**
 * A sender that floods a hub, as a process of its own: it keeps as many envelopes unaccepted as a
 * hub allows one connection, and reads them too. Argument: the port. It tells now and then what it
 * counted; after SIGTERM it sends nothing more and ends when all has arrived.
 */
import { constants, getPriority, setPriority } from 'node:os';
import process from 'node:process';
import { connectHub, laneMembers } from '../brokers/hub.js';

/** What it says, a line each time; times are its own clock's. */
export interface FloodCount {
  readonly atMs: number;
  readonly sent: number;
  readonly accepted: number;
  readonly delivered: number;
}

const BYTES = 256;
/** Unaccepted messages: nearly all that a hub allows one connection. */
const WINDOW = 900;
/** Undelivered ones: below the share of a queue that one sender may fill. */
const BACKLOG = 2_000;
const TELL_MS = 50;
/** By how much its priority is below that of the hub and of whoever is measured. */
const LESS = 10;

// Who floods a hub has a machine of its own: it takes no processor time of those whom it delays.
setPriority(Math.min(constants.priority.PRIORITY_LOW, getPriority() + LESS));

const members = await laneMembers(1, `flood-${process.pid}-`);
const { lanes } = await connectHub(Number(process.argv[2]), members);
const [lane] = lanes;
let [sent, accepted, delivered] = [0, 0, 0];
let mostSent = Infinity;

const tell = (): void => {
  const count: FloodCount = { atMs: performance.now(), sent, accepted, delivered };
  process.stdout.write(`${JSON.stringify(count)}\n`);
};
const goOn = (): void => {
  const most = Math.min(mostSent, accepted + WINDOW, delivered + BACKLOG);
  for (; sent < most; sent++) lane?.send(Buffer.alloc(BYTES), onAccepted);
  if (accepted < mostSent || delivered < mostSent) return;
  tell();
  process.exit(0);
};
const onAccepted = (): void => {
  accepted += 1;
  goOn();
};
if (lane !== undefined) {
  lane.onDelivery = () => {
    delivered += 1;
    goOn();
  };
}
process.once('SIGTERM', () => {
  mostSent = sent;
  goOn();
});
setInterval(tell, TELL_MS);
goOn();
