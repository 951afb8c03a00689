/**
 * Charts as SVG: bars for contenders, a line for a curve, one panel for each measure of each case.
 * Owns layout only; every number comes from the results. The same results give the same bytes.
 */
import { OURS } from '../harness/bench.js';
import type { Measure } from '../harness/bench.js';
import type { BenchResult, CaseResult } from '../harness/results.js';
import { summaryOf } from '../harness/statistics.js';
import type { Summary } from '../harness/statistics.js';
import { figure } from '../harness/table.js';

const WIDTH = 760;
const LABEL = 330;
const VALUE = 110;
const ROW = 22;
const HEAD = 34;
const PLOT = WIDTH - LABEL - VALUE;
const CURVE_HEIGHT = 170;
const STYLE =
  'text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}.o{fill:#0969da}' +
  '.p{fill:#afb8c1}.w{stroke:#24292f;stroke-width:1}.l{fill:none;stroke:#0969da;stroke-width:2}' +
  '.g{stroke:#d0d7de;stroke-width:1}.b{fill:#ffffff}';

interface Panel {
  readonly height: number;
  readonly body: string;
}

interface Bar {
  readonly id: string;
  readonly label: string;
  readonly value: Summary;
}

/** One picture of a bench; null if nothing of it can be drawn. */
export function chartOf(bench: BenchResult): string | null {
  const panels = bench.cases.flatMap((result) =>
    result.measures.flatMap((measure) => panelOf(result, measure) ?? []),
  );
  if (panels.length === 0) return null;
  let top = 8;
  const placed = panels.map(({ height, body }) => {
    const group = `<g transform="translate(0 ${top})">${body}</g>`;
    top += height;
    return group;
  });
  const size = `width="${WIDTH}" height="${top}" viewBox="0 0 ${WIDTH} ${top}"`;
  const name = escaped(bench.title);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${name}">`,
    `<style>${STYLE}</style><rect class="b" width="100%" height="100%"/>`,
    ...placed,
    '</svg>\n',
  ].join('\n');
}

function panelOf(result: CaseResult, measure: Measure): Panel | null {
  const bars = result.contenders.flatMap(({ id, label, samples }) => {
    const values = samples?.[measure.name] ?? [];
    return values.length === 0 ? [] : [{ id, label, value: summaryOf(values) }];
  });
  if (bars.length < 2) return null;
  const better = measure.better === 'higher' ? 'more is better' : 'less is better';
  const head = `${result.title}: ${measure.name}, ${measure.unit} (${better})`;
  const title = `<text class="t" x="8" y="18">${escaped(head)}</text>`;
  const panel = result.axis === undefined ? barPanel(bars) : curvePanel(bars, result.axis);
  return { height: panel.height, body: title + panel.body };
}

function barPanel(bars: readonly Bar[]): Panel {
  const most = Math.max(...bars.map(({ value }) => value.high));
  const x = (value: number): number => round(LABEL + (value / most) * PLOT);
  const body = bars.map(({ id, label, value }, row) => {
    const y = HEAD + row * ROW;
    const bar = `class="${id === OURS ? 'o' : 'p'}" width="${round(x(value.median) - LABEL)}"`;
    const [low, high, middle] = [x(value.low), x(value.high), y + 6.5];
    return (
      `<text x="${LABEL - 8}" y="${y + 10}" text-anchor="end">${escaped(short(label))}</text>` +
      `<rect x="${LABEL}" y="${y}" height="13" ${bar}/>` +
      `<line class="w" x1="${low}" x2="${high}" y1="${middle}" y2="${middle}"/>` +
      `<text x="${WIDTH - 8}" y="${y + 10}" text-anchor="end">${figure(value.median)}</text>`
    );
  });
  return { height: HEAD + bars.length * ROW + 12, body: body.join('') };
}

/** Both axes are logarithmic: a power law is a straight line. */
function curvePanel(bars: readonly Bar[], axis: string): Panel {
  const points = bars.map(({ id, value }) => ({ x: Math.max(1, Number(id)), y: value.median }));
  const x = scaleOf(
    points.map((point) => point.x),
    70,
    WIDTH - 40,
  );
  const y = scaleOf(
    points.map((point) => point.y),
    HEAD + CURVE_HEIGHT,
    HEAD + 16,
  );
  const line = points.map((point) => `${x(point.x)},${y(point.y)}`).join(' ');
  const marks = points.map((point) => {
    const [left, top] = [x(point.x), y(point.y)];
    return (
      `<circle class="o" cx="${left}" cy="${top}" r="3"/>` +
      `<text x="${left}" y="${round(top - 7)}" text-anchor="middle">${figure(point.y)}</text>` +
      `<text x="${left}" y="${HEAD + CURVE_HEIGHT + 20}" text-anchor="middle">` +
      `${point.x.toLocaleString('en')}</text>`
    );
  });
  const base = HEAD + CURVE_HEIGHT + 4;
  const ground = `<line class="g" x1="40" x2="${WIDTH - 10}" y1="${base}" y2="${base}"/>`;
  const name = `<text x="8" y="${base + 34}">${escaped(axis)} →</text>`;
  const body = `${ground}<polyline class="l" points="${line}"/>${marks.join('')}${name}`;
  return { height: HEAD + CURVE_HEIGHT + 52, body };
}

/** Two decades at least, so that a flat curve looks flat. */
function scaleOf(values: readonly number[], from: number, to: number): (value: number) => number {
  const logs = values.map((value) => Math.log10(Math.max(value, 1e-9)));
  const middle = (Math.min(...logs) + Math.max(...logs)) / 2;
  const half = Math.max(from < to ? 0 : 1, (Math.max(...logs) - Math.min(...logs)) / 2);
  const share = (value: number): number =>
    half === 0 ? 0.5 : (Math.log10(Math.max(value, 1e-9)) - middle + half) / (2 * half);
  return (value) => round(from + share(value) * (to - from));
}

function round(value: number): number {
  return Number(value.toFixed(1));
}

function short(label: string): string {
  return label.length <= 50 ? label : `${label.slice(0, 49)}…`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
