/**
 * What must be true of agents that were killed again and again (tests of protocol.md §2.11): read
 * from what their processes wrote down before they died, and from their stores.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

interface Line {
  readonly what:
    'begun' | 'accepted' | 'failed' | 'handled' | 'alarm' | 'inbox' | 'sealed' | 'sent';
  readonly [field: string]: string | boolean;
}

/** Everything written down in one folder. */
export class Oracle {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Messages that the hub had accepted and whose recipient has not handled them yet. */
  missing(): string[] {
    const lines = this.#lines();
    const handled = new Set(of(lines, 'handled').map(({ text }) => text));
    return of(lines, 'accepted').flatMap(({ text }) =>
      handled.has(text ?? '') ? [] : [String(text)],
    );
  }

  /** How much was looked at. */
  counts(): Record<'accepted' | 'handled' | 'redelivered' | 'keyUses', number> {
    const lines = this.#lines();
    const handled = of(lines, 'handled');
    return {
      accepted: of(lines, 'accepted').length,
      handled: handled.length,
      redelivered: handled.filter(({ redelivered }) => redelivered === true).length,
      keyUses: new Set(of(lines, 'sent').map(({ bytes }) => bytes)).size,
    };
  }

  /** Every way in which the notes contradict a promise; empty when all is well. */
  violations(): string[] {
    const lines = this.#lines();
    return [inboxes, handlers, keyUses, alarms].flatMap((judge) => judge(lines));
  }

  /** What waits in the stores of the agents, all of them closed: nothing. */
  leftovers(): string[] {
    return this.#names().flatMap((name) => {
      const database = new DatabaseSync(join(this.#folder, `${name}.db`), { readOnly: true });
      // Keys of rows are readable.
      const rows = database.prepare('SELECT key FROM row').all();
      database.close();
      const keys = rows.map(({ key }) => String(key));
      return keys.filter((key) => /^(outbox|inbox|dead)\//.test(key));
    });
  }

  #lines(): Line[] {
    return this.#names().flatMap((name) => {
      const lines = readFileSync(join(this.#folder, `${name}.log`), 'utf8').split('\n');
      // An agent that is killed while it writes leaves half a line.
      return lines.flatMap((line) => (line.endsWith('}') ? [JSON.parse(line) as Line] : []));
    });
  }

  #names(): string[] {
    const logs = readdirSync(this.#folder).filter((file) => file.endsWith('.log'));
    return logs.map((file) => file.slice(0, -'.log'.length));
  }
}

function of(lines: readonly Line[], what: Line['what']): Line[] {
  return lines.filter((line) => line.what === what);
}

/**
 * Death is no reason for an alarm: no session is made anew, nothing is lost or refused, except what
 * the hub delivers again because it did not hear that it was there.
 */
function alarms(lines: readonly Line[]): string[] {
  return of(lines, 'alarm').flatMap(({ event, code }) =>
    code === 'DUPLICATE' || code === 'asked' ? [] : [`${event} ${code}`],
  );
}

/** Exactly once into the inbox: one row for each id. */
function inboxes(lines: readonly Line[]): string[] {
  const rows = new Set<unknown>();
  return of(lines, 'inbox').flatMap(({ id }) => {
    if (rows.has(id)) return [`${id} entered an inbox twice`];
    rows.add(id);
    return [];
  });
}

/** One id for each text, of its sender, and a repetition that says so. */
function handlers(lines: readonly Line[]): string[] {
  const begun = new Set(of(lines, 'begun').map(({ text }) => text));
  const accepted = new Map(of(lines, 'accepted').map(({ text, id }) => [text, id]));
  const ids = new Map<unknown, unknown>();
  return of(lines, 'handled').flatMap(({ text, id, from, redelivered }) => {
    const before = ids.get(text);
    ids.set(text, id);
    const wrong: string[] = [];
    if (!begun.has(text ?? '')) wrong.push(`${text} was never sent`);
    if (!String(text).startsWith(`${from}.`)) wrong.push(`${text} came as from ${from}`);
    if (before !== undefined && before !== id) wrong.push(`${text} has two ids`);
    if (before !== undefined && redelivered !== true) wrong.push(`${text} came twice as new`);
    if (accepted.has(text ?? '') && accepted.get(text ?? '') !== id) {
      wrong.push(`${text} has another id at its sender`);
    }
    return wrong;
  });
}

/**
 * P7 over all lives: no salt is used for two messages, and what left the process at one place of a
 * chain is one message. What was sealed and never committed existed for nobody.
 */
function keyUses(lines: readonly Line[]): string[] {
  const wrong: string[] = [];
  const salts = new Map<unknown, unknown>();
  const places = new Map<unknown, unknown>();
  for (const { what, place, salt, bytes } of lines) {
    if (what !== 'sealed' && what !== 'sent') continue;
    if ((salts.get(salt) ?? bytes) !== bytes) wrong.push(`salt ${salt} was used twice`);
    salts.set(salt, bytes);
    if (what !== 'sent') continue;
    if ((places.get(place) ?? bytes) !== bytes) wrong.push(`${place} was used twice`);
    places.set(place, bytes);
  }
  return wrong;
}
