/**
 * What changed between two texts, line by line, as `diff -u` shows it: `-` was, `+` is. Owns the
 * comparison only.
 */

const CONTEXT = 1;

/** Lines with `-`, `+` or a space in front; `…` where equal lines are left out. */
export function lineDiff(before, after, maxLines = 60) {
  const lines = merged(before.split('\n'), after.split('\n'));
  const isNear = (at) =>
    lines.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some((line) => line[0] !== ' ');
  const shown = [];
  for (const [at, line] of lines.entries()) {
    if (isNear(at)) shown.push(line);
    else if (shown.length > 0 && shown.at(-1) !== '…') shown.push('…');
  }
  if (shown.at(-1) === '…') shown.pop();
  if (shown.length <= maxLines) return shown;
  return [...shown.slice(0, maxLines), `… and ${shown.length - maxLines} more lines`];
}

/** Equal beginnings and ends are set aside: what is left of a report is short. */
function merged(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  const room = Math.min(before.length, after.length) - head;
  while (tail < room && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const same = (lines) => lines.map((line) => ` ${line}`);
  return [
    ...same(before.slice(0, head)),
    ...changed(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...same(before.slice(before.length - tail)),
  ];
}

/** By the longest common subsequence. */
function changed(before, after) {
  const width = after.length + 1;
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i * width + j] =
        before[i] === after[j]
          ? common[(i + 1) * width + j + 1] + 1
          : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const lines = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    const isSame = i < before.length && j < after.length && before[i] === after[j];
    if (isSame) {
      lines.push(` ${before[i++]}`);
      j += 1;
    } else if (j >= after.length) lines.push(`-${before[i++]}`);
    else if (i >= before.length) lines.push(`+${after[j++]}`);
    else if (common[(i + 1) * width + j] >= common[i * width + j + 1])
      lines.push(`-${before[i++]}`);
    else lines.push(`+${after[j++]}`);
  }
  return lines;
}
