/**
 * What must be true of a run's ledgers: nothing lost, nothing doubled or out of order that does not
 * say so, and no outcome that is not so. Owns the judgement, over values.
 */
import { TWIN } from './ledger.js';
import type { Deed, Entry } from './ledger.js';

/** The evidence of one run. */
export interface Evidence {
  /** By agent. */
  readonly ledgers: ReadonlyMap<string, readonly Entry[]>;
  readonly deeds: readonly Deed[];
}

/** One message, as both sides tell of it. */
interface Story {
  readonly from: string;
  readonly to: string;
  readonly n: number;
  readonly id: string;
  readonly acceptedMs: number;
}

type Handled = Extract<Entry, { what: 'handled' }>;

/** States after which the sender expects nothing any more. */
const GIVEN_UP: ReadonlySet<string> = new Set(['expired', 'rejected']);

/** How long it may take to copy what runs. */
const COPIED_MS = 1_000;

/** How long a start may take to say that there was no room. */
const START_MS = 10_000;

/** Messages that were accepted and neither handled nor given up, as far as they can be expected. */
export function missingIn(evidence: Evidence): string[] {
  const handled = handledIds(evidence);
  const told = givenUpIds(evidence);
  return storiesOf(evidence)
    .filter(({ id }) => !handled.has(id) && !told.has(id))
    .filter((story) => !isExcused(evidence, story))
    .map(({ from, to, n }) => `${from} to ${to}: ${n} was accepted and is lost`);
}

/** Messages whose end somebody still waits for, as far as it can be expected. */
export function unsettledIn(evidence: Evidence): string[] {
  const ended = endedIds(evidence);
  const untold = storiesOf(evidence)
    .filter(({ id }) => !ended.has(id))
    .filter(({ from, to, acceptedMs }) => {
      return ![from, to].some((whom) => wasRestored(evidence.deeds, whom, acceptedMs, Infinity));
    })
    .map(({ from, to, n }) => `${from} was never told what became of ${n} to ${to}`);
  return [...missingIn(evidence), ...untold];
}

/** All that was not as it must be. */
export function violationsIn(evidence: Evidence): string[] {
  const all = [...unsettledIn(evidence), ...untrueIn(evidence)];
  for (const [name, entries] of evidence.ledgers) {
    all.push(...repeatsIn(evidence, name, entries), ...disorderIn(evidence, name, entries));
    all.push(...unstartedIn(evidence, name, entries));
  }
  return all;
}

function storiesOf({ ledgers }: Evidence): Story[] {
  return [...ledgers].flatMap(([from, entries]) =>
    entries.flatMap((entry) => {
      if (entry.what !== 'accepted') return [];
      const { to, n, id, ms: acceptedMs } = entry;
      return [{ from, to, n, id, acceptedMs }];
    }),
  );
}

function handledIds({ ledgers }: Evidence): Set<string> {
  const entries = [...ledgers.values()].flat();
  return new Set(entries.flatMap((entry) => (entry.what === 'handled' ? [entry.id] : [])));
}

/** What was told as delivered is not at its end: its handlers are. */
function endedIds({ ledgers }: Evidence): Set<string> {
  const entries = [...ledgers.values()].flat();
  return new Set(
    entries.flatMap((entry) => {
      return entry.what === 'told' && entry.state !== 'waiting' ? [entry.id] : [];
    }),
  );
}

function givenUpIds({ ledgers }: Evidence): Set<string> {
  const entries = [...ledgers.values()].flat();
  const isEnd = (entry: Entry) => entry.what === 'told' && GIVEN_UP.has(entry.state);
  return new Set(entries.flatMap((entry) => (isEnd(entry) && 'id' in entry ? [entry.id] : [])));
}

/**
 * A recipient that was put back to an earlier copy has lost what it had received since, and a
 * sender what it could say again: where the hub, too, has lost it nobody has it any more.
 */
function isExcused({ deeds }: Evidence, { from, to, acceptedMs }: Story): boolean {
  const isRestored = (whom: string): boolean =>
    deeds.some(({ fault, whom: who, ms }) => {
      return fault.startsWith('restore') && who === whom && ms > acceptedMs;
    });
  return isRestored(to) || (isRestored(from) && isRestored('hub'));
}

/**
 * Told of as given up, or refused when it was sent and not kept, and handled all the same; or told
 * of as handled, and not.
 */
function untrueIn(evidence: Evidence): string[] {
  const handled = handledIds(evidence);
  const invented = [...evidence.ledgers.values()].flat().flatMap((entry) => {
    const isInvented = entry.what === 'told' && entry.state === 'handled' && !handled.has(entry.id);
    return isInvented ? [`${entry.id} was told as handled, and nobody has`] : [];
  });
  const untrue = [...givenUpIds(evidence)].filter((id) => handled.has(id));
  const found = untrue.map(
    (id) => `${id} was handled, and its sender was told that it is given up`,
  );
  found.push(...invented);
  for (const [from, entries] of evidence.ledgers) {
    const texts = new Set(
      [...evidence.ledgers].flatMap(([to, theirs]) =>
        theirs.flatMap((entry) =>
          entry.what === 'handled' && entry.from === from ? [`${ownerOf(to)} ${entry.n}`] : [],
        ),
      ),
    );
    for (const entry of entries) {
      if (entry.what !== 'rejected' || entry.kept || !texts.has(`${entry.to} ${entry.n}`)) continue;
      found.push(`${from} to ${entry.to}: ${entry.n} was rejected (${entry.code}) and handled`);
    }
  }
  return found;
}

/** Whose ledger it is: a twin's is its agent's. */
function ownerOf(ledger: string): string {
  return ledger.split(TWIN)[0] ?? ledger;
}

/** Handled twice without `redelivered`; a recipient that was put back remembers up to its copy. */
function repeatsIn({ deeds }: Evidence, name: string, entries: readonly Entry[]): string[] {
  const first = new Map<string, number>();
  return entries.flatMap((entry) => {
    if (entry.what !== 'handled') return [];
    const before = first.get(entry.id);
    first.set(entry.id, before ?? entry.ms);
    const isFirst = before === undefined || entry.redelivered;
    if (isFirst || wasForgotten(deeds, name, before, entry.ms)) return [];
    return [`${name} handled ${entry.from}: ${entry.n} twice, not marked as redelivered`];
  });
}

/** Handled after a later one without `late`, as far as its recipient remembers that one. */
function disorderIn({ deeds }: Evidence, name: string, entries: readonly Entry[]): string[] {
  const latest = new Map<string, Handled[]>();
  const seen = new Set<string>();
  const handled = entries.filter((entry) => entry.what === 'handled');
  const startOf = ({ beganMs, ms }: Handled): number => beganMs ?? ms;
  return handled
    .toSorted((a, b) => startOf(a) - startOf(b))
    .flatMap((entry) => {
      const { from, n, id, ms } = entry;
      const isMarked = entry.late || entry.redelivered || seen.has(id);
      seen.add(id);
      // Ascending in time and number: whatever is below a later one no longer matters.
      const stack = latest.get(from) ?? [];
      latest.set(from, stack);
      const later = stack.findLast(
        (other) => other.n > n && !wasForgotten(deeds, name, other.ms, ms),
      );
      while ((stack.at(-1)?.n ?? Infinity) <= n) stack.pop();
      stack.push(entry);
      if (later === undefined || isMarked) return [];
      return [`${name} handled ${from}: ${n} after ${later.n}, not marked as late`];
    });
}

/** Refused to start for want of room, and there was some. */
function unstartedIn({ deeds }: Evidence, name: string, entries: readonly Entry[]): string[] {
  const spans = deeds.flatMap(({ fault, whom, ms: fromMs }, at) => {
    if (fault !== 'full' || whom !== name) return [];
    const end = deeds.slice(at).find((deed) => deed.fault === 'room' && deed.whom === name);
    return [{ fromMs, toMs: (end?.ms ?? Infinity) + START_MS }];
  });
  return entries.flatMap((entry) => {
    if (entry.what !== 'not started') return [];
    const wasFull = spans.some(({ fromMs, toMs }) => fromMs <= entry.ms && entry.ms <= toMs);
    return wasFull ? [] : [`${name} was not started (${entry.code}), and its disk had room`];
  });
}

/** Whether a copy was put back since, from before it was done or from the very moment. */
function wasForgotten(
  deeds: readonly Deed[],
  whom: string,
  doneMs: number,
  nowMs: number,
): boolean {
  return deeds.some(({ fault, whom: who, ms, sinceMs = 0 }) => {
    const isBetween = doneMs < ms && ms < nowMs;
    return fault === 'restore' && who === whom && isBetween && sinceMs < doneMs + COPIED_MS;
  });
}

function wasRestored(deeds: readonly Deed[], whom: string, fromMs: number, toMs: number): boolean {
  return deeds.some(
    (deed) => deed.fault === 'restore' && deed.whom === whom && deed.ms > fromMs && deed.ms < toMs,
  );
}
