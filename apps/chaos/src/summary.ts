/**
 * What happened in a run, in numbers: faults, messages, outcomes, events. Owns the counting; what
 * it means is `oracle`'s.
 */
import type { Entry } from './ledger.js';
import type { Evidence } from './oracle.js';

/** One line, for the progress. */
export function lineOf({ ledgers, deeds }: Evidence): string {
  const entries = [...ledgers.values()].flat();
  const count = (what: string): number => entries.filter((entry) => entry.what === what).length;
  const faults = deeds.filter(({ fault }) => fault.startsWith('began ')).length;
  return `${faults} faults, ${count('accepted')} accepted, ${count('handled')} handled`;
}

/** What went wrong how often, and what became of the messages. */
export function summaryOf({ ledgers, deeds }: Evidence): string {
  const entries = [...ledgers.values()].flat();
  const faults = deeds.flatMap(({ fault }) => {
    return fault.startsWith('began ') ? [fault.slice('began '.length)] : [];
  });
  const rows: readonly (readonly [title: string, items: readonly string[]])[] = [
    ['faults', faults],
    ['messages', entries.flatMap(wordsOf)],
    ['told', entries.flatMap((entry) => (entry.what === 'told' ? [entry.state] : []))],
    ['events', entries.flatMap((entry) => (entry.what === 'event' ? [entry.name] : []))],
  ];
  return rows.map(([title, items]) => `${title.padEnd(10)}${countsOf(items)}`).join('\n');
}

function wordsOf(entry: Entry): string[] {
  if (entry.what === 'rejected' || entry.what === 'not started') {
    return [`${entry.what} ${entry.code}`];
  }
  if (entry.what === 'handled') {
    const marks = [entry.redelivered ? 'again' : '', entry.late ? 'late' : ''];
    return [['handled', ...marks].filter((word) => word !== '').join(' ')];
  }
  return entry.what === 'event' || entry.what === 'told' ? [] : [entry.what];
}

function countsOf(items: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  const sorted = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([item, count]) => `${item} ${count}`).join(', ') || 'none';
}
