/**
 * Lines out of a stream that we trust: no limits, as little work as possible.
 * Owns reassembly; knows no frames.
 */

export class TextLines {
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  feed(bytes: Buffer): void {
    const text = this.#rest + bytes.toString('latin1');
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      this.#onLine(text.slice(from, end));
      from = end + 1;
    }
    this.#rest = text.slice(from);
  }
}
