/**
 * Two views of the same messages, side by side: what the agents saw and what the hub saw. Owns the
 * layout as text; colours and the terminal are `show`'s.
 */
import type { HubTraffic } from 'agentmesh';

/** A message as an agent's handler got it. */
export interface Seen {
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

/** One envelope. `agents` is null for what is no message, such as receipts and parts of streams. */
export interface Row {
  readonly agents: Seen | null;
  /** Whether a stream goes between these two agents. */
  readonly isStreamed: boolean;
  readonly hub: { readonly from: string; readonly to: string; readonly bytes: number };
  /** First bytes of the encrypted part, in hex. */
  readonly ciphertext: string;
}

const INITIAL = 1;
/** Where the ciphertext begins (docs/protocol.md, section 2.5), by type of message. */
const CIPHERTEXT_AT = { initial: 1288, ratchet: 92 } as const;
const SHOWN_BYTES = 6;
/** ` 1,048,576 B` */
const BYTES_WIDTH = 12;
const NAME_WIDTH = 12;

/** The encrypted part of a message, its clear header left out. */
export function ciphertextOf(blob: Uint8Array): Uint8Array {
  return blob.subarray(blob[1] === INITIAL ? CIPHERTEXT_AT.initial : CIPHERTEXT_AT.ratchet);
}

/**
 * Pairs each envelope with the message that an agent got out of it. Between two agents both come in
 * the same order, and an id that both sides know does not exist: that of a message is encrypted.
 */
export function rowsOf(
  traffic: readonly HubTraffic[],
  seen: readonly Seen[],
  streams: readonly Seen[] = [],
): Row[] {
  const waiting = Map.groupBy(seen, routeOf);
  const streamed = new Set(
    streams.flatMap(({ from, to }) => [routeOf({ from, to }), routeOf({ from: to, to: from })]),
  );
  return traffic.map(({ fromName: from, toName: to, blob }) => {
    const agents = waiting.get(routeOf({ from, to }))?.shift() ?? null;
    const head = ciphertextOf(blob).subarray(0, SHOWN_BYTES);
    return {
      agents,
      isStreamed: streamed.has(routeOf({ from, to })),
      hub: { from: short(from), to: short(to), bytes: blob.length },
      ciphertext: [...head].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
    };
  });
}

/** One line of the comparison: an envelope, or those of a stream that go the same way. */
export interface Line extends Row {
  readonly envelopes: number;
}

/** The lines of a table: what streams between two agents is one of them. */
export function linesOf(rows: readonly Row[]): Line[] {
  const lines: Line[] = [];
  for (const row of rows) {
    const at = lines.findIndex((other) => isSameStream(row, other));
    const same = lines[at];
    if (same === undefined) {
      lines.push({ ...row, envelopes: 1 });
      continue;
    }
    const hub = { ...same.hub, bytes: same.hub.bytes + row.hub.bytes };
    lines[at] = { ...same, hub, envelopes: same.envelopes + 1 };
  }
  return lines;
}

function isSameStream(row: Row, other: Row): boolean {
  const isBoth = [row, other].every(({ agents, isStreamed }) => agents === null && isStreamed);
  return isBoth && routeOf(row.hub) === routeOf(other.hub);
}

/** Long names are cut; so are addresses, which stand for names that the hub does not know. */
function short(name: string): string {
  return name.length <= NAME_WIDTH ? name : `${name.slice(0, NAME_WIDTH - 1)}…`;
}

/** Widths of the columns that hold the widest entry. */
interface Widths {
  readonly agents: number;
  readonly route: number;
}

/** Lines of the table, at most `width` columns wide; the first two are its head. */
export function tableLines(rows: readonly Line[], width: number): string[] {
  const route = Math.max(12, ...rows.map((row) => routeOf(row.hub).length));
  const hubWidth = route + BYTES_WIDTH + 2 + SHOWN_BYTES * 3 + 1;
  const widths = { route, agents: Math.max(16, width - hubWidth - 3) };
  const head = line('what the agents saw', 'what the hub saw: size, ciphertext', widths);
  const rule = `${'─'.repeat(widths.agents)}─┼─${'─'.repeat(hubWidth)}`;
  return [head, rule, ...rows.map((row) => rowLine(row, widths))];
}

function rowLine(row: Line, widths: Widths): string {
  const { agents, hub, ciphertext } = row;
  const left = agents === null ? notMessage(row) : agentsCell(agents);
  const bytes = `${hub.bytes.toLocaleString('en')} B`.padStart(BYTES_WIDTH);
  return line(left, `${routeOf(hub).padEnd(widths.route)}${bytes}  ${ciphertext} …`, widths);
}

function notMessage({ isStreamed, envelopes, hub }: Line): string {
  if (!isStreamed) return '(nothing: it was for the agent itself)';
  const count = envelopes === 1 ? '1 envelope' : `${envelopes} envelopes`;
  return `${routeOf(hub)}  (${count} of a stream)`;
}

function agentsCell({ from, to, text }: Seen): string {
  return `${from} → ${to}  ${text.replaceAll(/\s+/g, ' ')}`;
}

function routeOf({ from, to }: { readonly from: string; readonly to: string }): string {
  return `${from} → ${to}`;
}

function line(left: string, right: string, { agents }: Widths): string {
  const fits = left.length <= agents;
  const cell = fits ? left.padEnd(agents) : `${left.slice(0, agents - 1)}…`;
  return `${cell} │ ${right}`;
}
