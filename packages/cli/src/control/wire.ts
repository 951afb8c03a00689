/**
 * JSON values over a stream, one a line. Owns the cutting into lines and its bounds; what the
 * values mean is not known here.
 */
import type { Duplex, Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** Characters of a line: more than any message has. */
const LONGEST_LINE = 8 * 1024 * 1024;
/** What may wait for a reader that does not read. */
const MOST_UNREAD_BYTES = 64 * 1024 * 1024;

/** One end of a connection. */
export interface Wire {
  /** Writes a value; nothing once the connection has ended. */
  readonly send: (value: unknown) => void;
  /** Ends the connection when all is written. */
  readonly end: () => void;
  readonly destroy: () => void;
}

/** What happens at this end. */
export interface WireEvents {
  readonly line: (text: string) => void;
  /** Once; after it there are no more lines. */
  readonly closed: () => void;
}

/** Reads and writes lines. A line that is too long, or a reader that never reads, ends it. */
export function openWire(stream: Duplex, events: WireEvents): Wire {
  let isClosed = false;
  readLines(stream, {
    line: events.line,
    closed() {
      isClosed = true;
      events.closed();
    },
  });
  return {
    send(value) {
      if (isClosed || stream.writableEnded || stream.destroyed) return;
      stream.write(`${JSON.stringify(value)}\n`);
      if (stream.writableLength > MOST_UNREAD_BYTES) stream.destroy();
    },
    end: () => void stream.end(),
    destroy: () => void stream.destroy(),
  };
}

/** Reads lines; a line that is too long ends it. */
export function readLines(stream: Readable, events: WireEvents): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let isClosed = false;
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    events.closed();
  };
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) {
      if (!isClosed && text.trim() !== '') events.line(text);
    }
    if (rest.length > LONGEST_LINE) stream.destroy();
  });
  stream.on('error', close).on('close', close).on('end', close);
}
