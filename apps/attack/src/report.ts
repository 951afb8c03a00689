/**
 * What was tried, what was promised, what was seen: as text for people or as one JSON object a
 * line. Owns the words and the exit code.
 */
import type { Attack, Finding, Verdict } from './attack.js';

/** Exit codes of the command. */
export const EXIT = { held: 0, broken: 1, misuse: 2, untried: 3 } as const;

const MARK: Readonly<Record<Verdict, string>> = {
  held: 'held   ',
  broken: 'BROKEN ',
  skipped: 'skipped',
  untried: 'UNTRIED',
};

/** One finding as text. */
export function textOfFinding({ attack, verdict, seen, figures, ms }: Finding): string {
  const counted = Object.entries(figures).map(([what, count]) => `${what} ${count}`);
  return [
    `${MARK[verdict]} ${attack.name} (${attack.test}, ${attack.against}, ${(ms / 1_000).toFixed(1)} s)`,
    `        tried:    ${attack.tries}`,
    `        promised: ${attack.promised}`,
    `        seen:     ${seen}`,
    ...(counted.length === 0 ? [] : [`        counted:  ${counted.join(', ')}`]),
  ].join('\n');
}

/** One finding as a line of JSON. */
export function lineOfFinding({ attack, verdict, seen, figures, ms }: Finding): string {
  const { name, test, against, tries, promised } = attack;
  return JSON.stringify({
    name,
    test,
    against,
    tried: tries,
    promised,
    seen,
    verdict,
    figures,
    ms,
  });
}

/** An attack of the catalogue, not tried. */
export function textOfAttack({ name, test, against, tries, promised }: Attack): string {
  return `${name} (${test}, ${against})\n        tries:    ${tries}\n        promised: ${promised}`;
}

export function lineOfAttack({
  name,
  test,
  against,
  tries,
  promised,
  isLong = false,
}: Attack): string {
  return JSON.stringify({ name, test, against, tries, promised, long: isLong });
}

/** How many ended in each way. */
export function summaryOf(findings: readonly Finding[]): Readonly<Record<Verdict, number>> {
  const count = (verdict: Verdict): number =>
    findings.filter((finding) => finding.verdict === verdict).length;
  return {
    held: count('held'),
    broken: count('broken'),
    skipped: count('skipped'),
    untried: count('untried'),
  };
}

/** What the process ends with. */
export function exitCodeOf(findings: readonly Finding[]): number {
  const { broken, untried } = summaryOf(findings);
  if (broken > 0) return EXIT.broken;
  return untried > 0 ? EXIT.untried : EXIT.held;
}
