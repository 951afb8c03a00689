/**
 * The command `pnpm attack`. Owns the process's arguments, output and exit code; what an attack is,
 * `catalogue` knows.
 */
import process from 'node:process';
import { ready } from '@agentmesh/crypto';
import type { Finding } from './attack.js';
import { chosen, unknownIn } from './catalogue.js';
import { HELP, optionsOf } from './options.js';
import type { AttackOptions } from './options.js';
import {
  EXIT,
  exitCodeOf,
  lineOfAttack,
  lineOfFinding,
  summaryOf,
  textOfAttack,
  textOfFinding,
} from './report.js';
import { tryOut } from './run.js';
import { addressOfTarget } from './target.js';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function attack(options: AttackOptions): Promise<number> {
  const { target, agentProgram, isJson, isList } = options;
  const attacks = chosen(options);
  if (isList) {
    for (const one of attacks) say(isJson ? lineOfAttack(one) : textOfAttack(one));
    return EXIT.held;
  }
  const hub = target === null ? 'hubs of its own' : addressOfTarget(target);
  if (!isJson) say(`${attacks.length} attacks, on ${hub} and on agents in a sandbox\n`);
  const findings: Finding[] = [];
  for (const one of attacks) {
    const finding = await tryOut(one, { hub: target, agentProgram }, options);
    findings.push(finding);
    say(isJson ? lineOfFinding(finding) : `${textOfFinding(finding)}\n`);
  }
  const summary = summaryOf(findings);
  const counts = Object.entries(summary).map(([verdict, count]) => `${count} ${verdict}`);
  say(isJson ? JSON.stringify({ summary }) : counts.join(', '));
  return exitCodeOf(findings);
}

const options = optionsOf(process.argv.slice(2), process.env);
const unknown = typeof options === 'object' ? unknownIn(options?.only ?? []) : undefined;

if (options === null) {
  say(HELP);
} else if (typeof options === 'string' || unknown !== undefined) {
  const fault = typeof options === 'string' ? options : `--only: there is no attack ${unknown}`;
  process.stderr.write(`attack: ${fault}\n\n${HELP}`);
  process.exitCode = EXIT.misuse;
} else {
  await ready();
  process.exit(await attack(options));
}
