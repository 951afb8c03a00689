/**
 * Frames for many (hub.md §2): what leaves in one turn of the loop and is of one kind goes as one
 * frame, where the other side has the feature `many`. Owns the texts, made of those of single
 * frames; what each envelope means is the same in both forms.
 */
import { PROTOCOL_LIMITS } from './limits.js';

/** The beginning of a single frame, and the frame for many with its list. */
const KINDS = [
  { single: '{"type":"send",', many: '{"type":"send_many","sends":[' },
  { single: '{"type":"sent",', many: '{"type":"sent_many","sents":[' },
  { single: '{"type":"deliver",', many: '{"type":"deliver_many","deliveries":[' },
] as const;
type Kind = (typeof KINDS)[number];

const END = ']}';
/** One frame takes no more text than this, unless a single frame does. */
const LONGEST = 128 * 1024;

/**
 * The same frames in the same order, those of one kind that follow each other together. Texts are
 * as `encodeFrame` makes them.
 */
export function gathered(texts: readonly string[]): readonly string[] {
  if (texts.length < 2) return texts;
  const result: string[] = [];
  for (let at = 0; at < texts.length;) {
    const kind = kindOf(texts[at] ?? '');
    const end = kind === null ? at + 1 : endOfRun(texts, at, kind);
    if (kind === null || end === at + 1) result.push(...texts.slice(at, end));
    else {
      const rest = (text: string): string => `{${text.slice(kind.single.length)}`;
      result.push(kind.many + texts.slice(at, end).map(rest).join(',') + END);
    }
    at = end;
  }
  return result;
}

/** Behind the last text of the run that begins here. */
function endOfRun(texts: readonly string[], from: number, { single }: Kind): number {
  let length = texts[from]?.length ?? 0;
  let end = from + 1;
  for (; end < texts.length && end - from < PROTOCOL_LIMITS.manyFrames; end++) {
    const text = texts[end] ?? '';
    length += text.length;
    if (length > LONGEST || !text.startsWith(single)) break;
  }
  return end;
}

function kindOf(text: string): Kind | null {
  return KINDS.find(({ single }) => text.startsWith(single)) ?? null;
}
