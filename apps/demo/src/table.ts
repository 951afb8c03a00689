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

/** One line of the comparison. `agents` is null for what no application sees, such as receipts. */
export interface Row {
  readonly agents: Seen | null;
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
export function rowsOf(traffic: readonly HubTraffic[], seen: readonly Seen[]): Row[] {
  const waiting = Map.groupBy(seen, routeOf);
  return traffic.map(({ fromName: from, toName: to, blob }) => {
    const agents = waiting.get(routeOf({ from, to }))?.shift() ?? null;
    const head = ciphertextOf(blob).subarray(0, SHOWN_BYTES);
    return {
      agents,
      hub: { from: short(from), to: short(to), bytes: blob.length },
      ciphertext: [...head].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
    };
  });
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
export function tableLines(rows: readonly Row[], width: number): string[] {
  const route = Math.max(12, ...rows.map((row) => routeOf(row.hub).length));
  const hubWidth = route + BYTES_WIDTH + 2 + SHOWN_BYTES * 3 + 1;
  const widths = { route, agents: Math.max(16, width - hubWidth - 3) };
  const head = line('what the agents saw', 'what the hub saw: size, ciphertext', widths);
  const rule = `${'─'.repeat(widths.agents)}─┼─${'─'.repeat(hubWidth)}`;
  return [head, rule, ...rows.map((row) => rowLine(row, widths))];
}

function rowLine(row: Row, widths: Widths): string {
  const { agents, hub, ciphertext } = row;
  const left = agents === null ? '(nothing: it was for the agent itself)' : agentsCell(agents);
  const bytes = `${hub.bytes.toLocaleString('en')} B`.padStart(BYTES_WIDTH);
  return line(left, `${routeOf(hub).padEnd(widths.route)}${bytes}  ${ciphertext} …`, widths);
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
