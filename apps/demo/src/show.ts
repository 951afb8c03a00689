/**
 * The screen of the demo: what an example says, what its agents saw and what the hub saw. Owns what
 * is collected during one example and how it is printed; colours only where a terminal wants them.
 */
import { styleText } from 'node:util';
import type { Message, HubTraffic } from 'agentmesh';
import type { Environment } from './llm/endpoint.js';
import { linesOf, rowsOf, tableLines } from './table.js';
import type { Row, Seen } from './table.js';

/** Where text goes; a terminal or a test. */
export interface Screen {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

type Style = Parameters<typeof styleText>[0];

const COLUMN_WIDTH = 9;
const WIDTH = { least: 80, most: 120, unknown: 100 } as const;

/** One example on the screen. */
export class Show {
  readonly #screen: Screen;
  readonly #isColoured: boolean;
  readonly #traffic: HubTraffic[] = [];
  readonly #seen: Seen[] = [];
  readonly #streams: Seen[] = [];

  constructor(screen: Screen, env: Environment = {}) {
    this.#screen = screen;
    this.#isColoured = screen.isTTY === true && !env['NO_COLOR'];
  }

  /** For `new LocalHub({ onTraffic })`. */
  readonly hubSaw = (envelope: HubTraffic): void => {
    this.#traffic.push(envelope);
  };

  /** For handlers: keeps a message, with the text that stands for it in the table. */
  agentSaw(message: Message, text = message.text || JSON.stringify(message.payload)): void {
    this.#seen.push({ from: message.sender, to: message.recipient, text });
  }

  /** For handlers of streams: who asked whom, and for what; the chunks go the other way. */
  streamBegan(request: Seen): void {
    this.#seen.push(request);
    this.#streams.push(request);
  }

  /** A text that comes in pieces, beside its title; line breaks keep it there. */
  column(title: string): { add(piece: string): void; end(): void } {
    const head = `${title}:`.padEnd(COLUMN_WIDTH);
    this.#screen.write(this.#style('bold', head));
    const indented = (piece: string): string =>
      piece.replaceAll('\n', `\n${' '.repeat(COLUMN_WIDTH)}`);
    return {
      add: (piece) => void this.#screen.write(indented(piece)),
      end: () => this.#print(''),
    };
  }

  title(text: string): void {
    this.#print(`\n${this.#style(['bold', 'cyan'], text)}`);
  }

  say(text: string): void {
    this.#print(text);
  }

  /** Something that the example has checked. */
  proved(text: string): void {
    this.#print(`${this.#style('green', '✓')} ${text}`);
  }

  failed(text: string): void {
    this.#print(`${this.#style('red', '✗')} ${text}`);
  }

  /** What was collected so far, message by message. */
  get rows(): Row[] {
    return rowsOf(this.#traffic, this.#seen, this.#streams);
  }

  /** Prints both views and begins new ones. */
  compare(): Row[] {
    const { rows } = this;
    const { least, most, unknown } = WIDTH;
    const width = Math.min(most, Math.max(least, this.#screen.columns ?? unknown));
    const [head = '', rule = '', ...lines] = tableLines(linesOf(rows), width);
    this.#print(`\n${this.#style('bold', head)}\n${this.#style('dim', rule)}`);
    for (const line of lines) this.#print(line);
    this.#print('');
    this.#traffic.length = 0;
    this.#seen.length = 0;
    this.#streams.length = 0;
    return rows;
  }

  #print(text: string): void {
    this.#screen.write(`${text}\n`);
  }

  #style(style: Style, text: string): string {
    return this.#isColoured ? styleText(style, text, { validateStream: false }) : text;
  }
}
